// What the cores can do at most, as JSON: independent fused multiply-adds on registers, in GFLOP/s (two operations each),
// and a[i] = b[i] + s · c[i] over arrays that no cache holds, in GB/s (three arrays).
// cc -O3 -march=native -ffp-contract=fast -pthread roof.c -o roof && ./roof THREADS
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
// As many as hide the latency of four or five cycles on two units, and fit into the registers.
#define CHAINS 12
#define ROUNDS 40000000L
#define LENGTH (1L << 25)
#define TAKES 15

typedef float vector __attribute__((vector_size(4 * LANES)));

static float *arrays[3];
static long threads;
volatile float sink, factor = 0.999f, shift = 0.001f;

static void *multiply_add(void *_) {
    vector sums[CHAINS], x = {0}, y = {0};
    x += factor, y += shift;
    for (int i = 0; i < CHAINS; i++) sums[i] = y * (float)i;
    for (long round = 0; round < ROUNDS; round++)
        for (int i = 0; i < CHAINS; i++) sums[i] = sums[i] * x + y;
    for (int i = 1; i < CHAINS; i++) sums[0] += sums[i];
    sink = sums[0][0];
    return NULL;
}

static void *triad(void *part) {
    long from = LENGTH / threads * (long)part, to = from + LENGTH / threads;
    float *restrict a = arrays[0], *restrict b = arrays[1], *restrict c = arrays[2], s = factor;
    for (long i = from; i < to; i++) a[i] = b[i] + s * c[i];
    return NULL;
}

static void *touch(void *part) {
    long from = LENGTH / threads * (long)part, to = from + LENGTH / threads;
    for (long i = from; i < to; i++) arrays[0][i] = arrays[1][i] = arrays[2][i] = 1;
    return NULL;
}

static double seconds(void *(*work)(void *)) {
    struct timespec start, end;
    pthread_t all[1024];
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < threads; i++) pthread_create(&all[i], NULL, work, (void *)i);
    for (long i = 0; i < threads; i++) pthread_join(all[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
}

static double shortest(void *(*work)(void *)) {
    double best = seconds(work);
    for (int i = 1; i < TAKES; i++) {
        double now = seconds(work);
        if (now < best) best = now;
    }
    return best;
}

int main(int argc, char **argv) {
    threads = argc > 1 ? atol(argv[1]) : 1;
    if (threads < 1 || threads > 1024) return 1;
    for (int i = 0; i < 3; i++) arrays[i] = malloc(LENGTH * sizeof(float));
    seconds(touch);
    double gflops = 2.0 * LANES * CHAINS * ROUNDS * threads / shortest(multiply_add) / 1e9;
    double bandwidth = 3.0 * sizeof(float) * (LENGTH / threads * threads) / shortest(triad) / 1e9;
    printf("{\"lanes\": %d, \"gflops\": %.1f, \"bandwidth\": %.1f}\n", LANES, gflops, bandwidth);
    return 0;
}
