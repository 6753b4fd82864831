// Loops behind machine.py. gcc -Ofast -march=native -mprefer-vector-width=512 -fopenmp (libmvec comes from -Ofast).
#include <immintrin.h>
#include <math.h>
#include <omp.h>
#include <stddef.h>

#ifdef __AVX512F__
#define WIDTH 8
typedef __m512d vector;
#define LOAD _mm512_loadu_pd
#define STORE _mm512_storeu_pd
#define STREAM _mm512_stream_pd
#define SPREAD _mm512_set1_pd
#define FMA _mm512_fmadd_pd
#define WIDE(name) name##8
#define SLEEF_NAME(name) Sleef_##name##d8_u10avx512f
#else
#define WIDTH 4
typedef __m256d vector;
#define LOAD _mm256_loadu_pd
#define STORE _mm256_storeu_pd
#define STREAM _mm256_stream_pd
#define SPREAD _mm256_set1_pd
#define FMA _mm256_fmadd_pd
#define WIDE(name) name##4
#define SLEEF_NAME(name) Sleef_##name##d4_u10avx2
#endif

static double added(vector v) {
    double parts[WIDTH], total = 0;
    STORE(parts, v);
    for (int j = 0; j < WIDTH; j++) total += parts[j];
    return total;
}

static double sum(const double *a, size_t n) {  // 8 accumulators: loads, not the add latency, set the pace
    vector s[8];
    for (int j = 0; j < 8; j++) s[j] = SPREAD(0);
    for (size_t i = 0; i + 8 * WIDTH <= n; i += 8 * WIDTH)
        for (int j = 0; j < 8; j++) s[j] += LOAD(a + i + WIDTH * j);
    for (int j = 1; j < 8; j++) s[0] += s[j];
    return added(s[0]);
}

// Reads n doubles `repeat` times with all threads, each its own part every time.
double read_sum(const double *a, size_t n, int repeat) {
    double total = 0;
#pragma omp parallel reduction(+ : total)
    {
        size_t part = n / omp_get_num_threads() / 64 * 64, k = omp_get_thread_num();
        for (int r = 0; r < repeat; r++) {
            total += sum(a + k * part, part);
            __asm__ volatile("" ::: "memory");
        }
    }
    return total;
}

void copy(double *d, const double *a, size_t n) {  // streaming stores: reads n, writes n, no write-allocate
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n / WIDTH; i++) STREAM(d + WIDTH * i, LOAD(a + WIDTH * i));
    _mm_sfence();
}

void copy_plain(double *d, const double *a, size_t n) {
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++) d[i] = a[i] + 1;
}

// 12 independent chains, two operations an element.
double fma_peak(long n) {
    vector c[12], x = SPREAD(1 + 1e-9), y = SPREAD(1e-9);
    for (int j = 0; j < 12; j++) c[j] = SPREAD(j);
    for (long i = 0; i < n; i++)
        for (int j = 0; j < 12; j++) c[j] = FMA(c[j], x, y);
    for (int j = 1; j < 12; j++) c[0] += c[j];
    return added(c[0]);
}
int flops_a_round(void) { return 2 * 12 * WIDTH; }

#define MAP(name, expr) \
    void name(double *restrict y, const double *restrict x, size_t n) { for (size_t i = 0; i < n; i++) y[i] = expr; }
MAP(mvec_exp, exp(x[i]))
MAP(mvec_sin, sin(x[i]))
MAP(mvec_log, log(x[i]))
MAP(mvec_tanh, tanh(x[i]))
MAP(div_rate, 1.0 / x[i])
MAP(sqrt_rate, sqrt(x[i]))

#define MAPV(name, f) \
    vector f(vector); \
    void name(double *restrict y, const double *restrict x, size_t n) { \
        for (size_t i = 0; i + WIDTH <= n; i += WIDTH) STORE(y + i, f(LOAD(x + i))); }
#ifdef SLEEF
MAPV(sleef_exp, SLEEF_NAME(exp))
MAPV(sleef_sin, SLEEF_NAME(sin))
MAPV(sleef_log, SLEEF_NAME(log))
MAPV(sleef_tanh, SLEEF_NAME(tanh))
#endif
#ifdef SVML
MAPV(svml_exp, WIDE(__svml_exp))
MAPV(svml_sin, WIDE(__svml_sin))
MAPV(svml_log, WIDE(__svml_log))
MAPV(svml_tanh, WIDE(__svml_tanh))
#endif
