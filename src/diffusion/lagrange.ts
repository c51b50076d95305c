/** Polynomials by their coefficients, constant term first. */
type Polynomial = readonly number[];

/**
 * ∫ₐᵇ ℓₖ(τ) e^(rate·τ) dτ for each Lagrange basis polynomial ℓₖ over `nodes` (1 at its own node, 0 at the others): the
 * weights with which a multistep solver takes earlier predictions. rate 0 is Adams–Bashforth.
 */
export function lagrangeIntegrals(nodes: readonly number[], a: number, b: number, rate = 0): number[] {
  // Seen from b, where the integrand is largest for rate > 0, the powers stay small and little cancels.
  const shifted = nodes.map((node) => node - b);
  return shifted.map((node, k) => {
    const others = shifted.filter((_, i) => i !== k);
    const scale = others.reduce((product, other) => product * (node - other), 1);
    const basis = others.reduce<Polynomial>((product, other) => timesRoot(product, other), [1]);
    const antiderivative = rate === 0 ? integral(basis) : exponentialIntegral(basis, rate);
    const value = (at: number) => evaluate(antiderivative, at) * Math.exp(rate * at);
    return (Math.exp(rate * b) * (value(0) - value(a - b))) / scale;
  });
}

/** p(τ) · (τ − root) */
function timesRoot(p: Polynomial, root: number): Polynomial {
  return [...p, 0].map((_, i) => (p[i - 1] ?? 0) - root * (p[i] ?? 0));
}

/** The antiderivative that vanishes at 0. */
function integral(p: Polynomial): Polynomial {
  return [0, ...p.map((coefficient, i) => coefficient / (i + 1))];
}

/** The polynomial q with (q(τ) e^(rate·τ))′ = p(τ) e^(rate·τ): q = p/rate − p′/rate² + p″/rate³ − … */
function exponentialIntegral(p: Polynomial, rate: number): Polynomial {
  const q: number[] = [];
  for (let i = p.length - 1; i >= 0; i--) q[i] = (p[i]! - (i + 1) * (q[i + 1] ?? 0)) / rate;
  return q;
}

function evaluate(p: Polynomial, at: number): number {
  return p.reduceRight((sum, coefficient) => sum * at + coefficient, 0);
}
