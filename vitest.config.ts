import { defineConfig } from "vitest/config";

/** A software adapter is slow, and takes every core by itself: these suites run alone, after the others. */
const webgpu = { maxWorkers: 1, testTimeout: 300_000, hookTimeout: 300_000 };

export default defineConfig({
  test: {
    pool: "forks",
    // The user's own cache is none of the tests' business.
    env: { INKLING_PREPARED: "off" },
    projects: [
      {
        extends: true,
        test: {
          name: "cpu",
          include: ["test/**/*.test.ts"],
          exclude: ["test/webgpu/**", "test/browser/**", "test/studio/**", "test/long/**"],
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      // Minutes of computing: asked for by name alone (`npm run test:long`).
      ...(process.env["INKLING_TEST_LONG"]
        ? [{ extends: true as const, test: { name: "long", include: ["test/long/**/*.test.ts"] } }]
        : []),
      {
        extends: true,
        test: { name: "webgpu", include: ["test/webgpu/**/*.test.ts"], ...webgpu, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: { name: "browser", include: ["test/browser/**/*.test.ts"], ...webgpu, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: {
          name: "studio",
          include: ["test/studio/**/*.test.ts"],
          // The first picture loads the model.
          expect: { poll: { timeout: 20_000 } },
          maxWorkers: 1,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
