/** `text` as a regular expression that means just that. */
export function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/**
 * Every place of a phrase as whole words, in any case and with any white space between them. Its edges count as the edges
 * of words only where they are letters or digits: ", 8k" may follow anything.
 */
export function wholeWords(phrase: string): RegExp {
  const words = phrase.trim().split(/\s+/).map(literally).join("\\s+");
  const inWord = "[\\p{L}\\p{N}]";
  return new RegExp(`(?<!${inWord}(?=${inWord}))${words}(?!(?<=${inWord})${inWord})`, "giu");
}
