// SPDX-License-Identifier: Apache-2.0
// Layers of quantised networks on integers, as the golden executor computes them: every layer exactly, then one cast.
//
// C++17 and nothing else; compilers that shift negative numbers arithmetically (GCC, Clang), little endian. An image is
// stored pixel by pixel with its channels innermost, so that inner loops run over neighbours and compilers can use vector
// instructions. `Shape` parameters are structs of constants, which the emitted file defines.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace slimfab {

enum Rounding { TRN, TRN_ZERO, RND, RND_ZERO, RND_INF, RND_MIN_INF, RND_CONV };
enum Overflow { WRAP, SAT, SAT_SYM, SAT_ZERO };

// One more than the floor of a quotient, or not; `half` is half of the divisor, in the unit of `rest`.
template <Rounding R, class A> inline bool rounds_up(A floor, A rest, A half, bool negative) {
    if constexpr (R == TRN) return false;
    if constexpr (R == TRN_ZERO) return negative && rest > 0;
    if constexpr (R == RND) return rest >= half;
    if constexpr (R == RND_MIN_INF) return rest > half;
    if constexpr (R == RND_ZERO) return rest > half || (rest == half && negative);
    if constexpr (R == RND_INF) return rest > half || (rest == half && !negative);
    return rest > half || (rest == half && (floor & 1));
}

// The cast of an exact result, value * MULTIPLIER / (DIVISOR << RIGHT), to a format of WIDTH bits from LOW to HIGH.
// A holds everything on the way.
template <class Y, class A, int64_t MULTIPLIER, int RIGHT, int64_t DIVISOR, Rounding R, Overflow O, int WIDTH, int64_t LOW,
          int64_t HIGH>
struct Cast {
    static inline Y of(A value) { return static_cast<Y>(limited(rounded(static_cast<A>(value * A(MULTIPLIER))))); }

    static inline A rounded(A value) {
        if constexpr (DIVISOR != 1) {
            A floor = value / A(DIVISOR), rest = value % A(DIVISOR);
            if (rest < 0) floor -= 1, rest += A(DIVISOR);
            return floor + rounds_up<R, A>(floor, 2 * rest, A(DIVISOR), value < 0);
        } else if constexpr (RIGHT > 0) {
            const A floor = value >> RIGHT, rest = value & ((A(1) << RIGHT) - 1);
            return floor + rounds_up<R, A>(floor, rest, A(1) << (RIGHT - 1), value < 0);
        } else {
            return value;
        }
    }

    static inline A limited(A value) {
        if constexpr (O == WRAP && LOW == 0) return value & A(HIGH);
        if constexpr (O == WRAP) {
            using Bits = std::make_unsigned_t<A>;
            constexpr int unused = 8 * int(sizeof(A)) - WIDTH;
            return static_cast<A>(static_cast<Bits>(value) << unused) >> unused;
        }
        if constexpr (O == SAT_ZERO) return value < A(LOW) || value > A(HIGH) ? A(0) : value;
        return value < A(LOW) ? A(LOW) : value > A(HIGH) ? A(HIGH) : value;
    }
};

template <int SIZE, class Y, class F> inline void each(Y *__restrict y, F function) {
    for (int i = 0; i < SIZE; i++) y[i] = function(i);
}

// The products of ROWS of COUNT weights with one vector, four rows at a time so that the vector is read less often.
template <class S, int COUNT, int ROWS, class P, class W, class Give>
inline void products(const P *__restrict x, const W *__restrict weight, Give give) {
    constexpr int fours = ROWS / 4 * 4;
    for (int row = 0; row < fours; row += 4) {
        const W *__restrict w0 = weight + row * COUNT, *w1 = w0 + COUNT, *w2 = w1 + COUNT, *w3 = w2 + COUNT;
        S s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int i = 0; i < COUNT; i++) {
            const S value = S(x[i]);
            s0 += value * S(w0[i]), s1 += value * S(w1[i]), s2 += value * S(w2[i]), s3 += value * S(w3[i]);
        }
        give(row, s0), give(row + 1, s1), give(row + 2, s2), give(row + 3, s3);
    }
    if constexpr (fours < ROWS)
        for (int row = fours; row < ROWS; row++) {
            S sum = 0;
            for (int i = 0; i < COUNT; i++) sum += S(x[i]) * S(weight[row * COUNT + i]);
            give(row, sum);
        }
}

// Rows of IN features to rows of OUT features. S holds the sums, A what becomes of them: sum * SCALE + bias. `memory`
// holds a row in the type that products are fastest in.
template <class C, class S, class A, int64_t SCALE, int ROWS, int IN, int OUT, class X, class P, class W, class Y>
inline void dense(const X *x, const W *weight, const A *bias, Y *y, P *memory) {
    for (int row = 0; row < ROWS; row++) {
        std::copy_n(x + row * IN, IN, memory);
        products<S, IN, OUT>(memory, weight,
                             [&](int o, S sum) { y[row * OUT + o] = C::of(A(sum) * A(SCALE) + bias[o]); });
    }
}

// The image with zeros around it; the image itself where there are none to add.
template <class G, class X> inline const X *padded(const X *x, X *memory) {
    if constexpr (G::top + G::left + G::bottom + G::right == 0) return x;
    constexpr int width = (G::columns + G::left + G::right) * G::channels;
    std::memset(memory, 0, sizeof(X) * width * (G::rows + G::top + G::bottom));
    for (int row = 0; row < G::rows; row++)
        std::memcpy(memory + (row + G::top) * width + G::left * G::channels, x + row * G::columns * G::channels,
                    sizeof(X) * G::columns * G::channels);
    return memory;
}

// Weights (filters, kernel rows, kernel columns, channels of a group). `memory` holds the padded image, `patch` a window
// in the type that products are fastest in.
template <class G, class C, class S, class A, int64_t SCALE, class X, class P, class W, class Y>
inline void conv2d(const X *x, const W *weight, const A *bias, Y *y, X *memory, P *patch) {
    constexpr int width = (G::columns + G::left + G::right) * G::channels;
    constexpr int inputs = G::channels / G::groups, outputs = G::filters / G::groups;
    constexpr int size = inputs * G::kernel_rows * G::kernel_columns;
    constexpr bool whole = G::groups == 1 && (G::dilation_x == 1 || G::kernel_columns == 1);  // a row is one piece
    constexpr int pieces = whole ? 1 : G::kernel_columns, piece = whole ? inputs * G::kernel_columns : inputs;
    const X *image = padded<G>(x, memory);
    for (int row = 0; row < G::out_rows; row++)
        for (int column = 0; column < G::out_columns; column++)
            for (int group = 0; group < G::groups; group++) {
                const X *window = image + row * G::stride_y * width + column * G::stride_x * G::channels + group * inputs;
                P *next = patch;
                for (int ky = 0; ky < G::kernel_rows; ky++)
                    for (int kx = 0; kx < pieces; kx++, next += piece)
                        std::copy_n(window + ky * G::dilation_y * width + kx * G::dilation_x * G::channels, piece, next);
                Y *pixel = y + (row * G::out_columns + column) * G::filters + group * outputs;
                const A *offset = bias + group * outputs;
                products<S, size, outputs>(patch, weight + group * outputs * size,
                                           [&](int o, S sum) { pixel[o] = C::of(A(sum) * A(SCALE) + offset[o]); });
            }
}

// One channel per group. Weights (kernel rows, kernel columns, filters); `sums` holds one per filter.
template <class G, class C, class S, class A, int64_t SCALE, class X, class W, class Y>
inline void depthwise(const X *x, const W *weight, const A *bias, Y *y, X *memory, S *__restrict sums) {
    constexpr int width = (G::columns + G::left + G::right) * G::channels, times = G::filters / G::channels;
    const X *image = padded<G>(x, memory);
    for (int row = 0; row < G::out_rows; row++)
        for (int column = 0; column < G::out_columns; column++) {
            const X *corner = image + row * G::stride_y * width + column * G::stride_x * G::channels;
            const W *__restrict w = weight;
            for (int o = 0; o < G::filters; o++) sums[o] = 0;
            for (int ky = 0; ky < G::kernel_rows; ky++)
                for (int kx = 0; kx < G::kernel_columns; kx++, w += G::filters) {
                    const X *__restrict line = corner + ky * G::dilation_y * width + kx * G::dilation_x * G::channels;
                    for (int o = 0; o < G::filters; o++) sums[o] += S(line[times == 1 ? o : o / times]) * S(w[o]);
                }
            Y *__restrict pixel = y + (row * G::out_columns + column) * G::filters;
            for (int o = 0; o < G::filters; o++) pixel[o] = C::of(A(sums[o]) * A(SCALE) + bias[o]);
        }
}

// Folds the pixels of every window that are in the image into `sums`, from `first` on, and hands on each channel's result
// with the number of those pixels.
template <class G, class S, class X, class Fold, class Give>
inline void pool(const X *x, S *__restrict sums, S first, Fold fold, Give give) {
    for (int row = 0; row < G::out_rows; row++)
        for (int column = 0; column < G::out_columns; column++) {
            int count = 0;
            for (int c = 0; c < G::channels; c++) sums[c] = first;
            for (int ky = 0; ky < G::kernel_rows; ky++)
                for (int kx = 0; kx < G::kernel_columns; kx++) {
                    const int in_row = row * G::stride_y + ky - G::top, in_column = column * G::stride_x + kx - G::left;
                    if (in_row < 0 || in_row >= G::rows || in_column < 0 || in_column >= G::columns) continue;
                    const X *__restrict pixel = x + (in_row * G::columns + in_column) * G::channels;
                    for (int c = 0; c < G::channels; c++) sums[c] = fold(sums[c], S(pixel[c]));
                    count++;
                }
            for (int c = 0; c < G::channels; c++)
                give((row * G::out_columns + column) * G::channels + c, sums[c], count);
        }
}

template <class G, class C, class S, class X, class Y> inline void max_pool2d(const X *x, Y *y, S *sums) {
    pool<G>(x, sums, std::numeric_limits<S>::min(), [](S a, S b) { return a > b ? a : b; },
            [y](int i, S value, int) { y[i] = C::of(value); });
}

// Means over whole windows, zeros around the image included; C divides.
template <class G, class C, class S, class X, class Y> inline void avg_pool2d(const X *x, Y *y, S *sums) {
    pool<G>(x, sums, S(0), [](S a, S b) { return S(a + b); }, [y](int i, S value, int) { y[i] = C::of(value); });
}

// Means over the pixels that are in the image; C divides by COMMON, a multiple of every number of them.
template <class G, class C, class S, int64_t COMMON, class X, class Y>
inline void avg_pool2d_inside(const X *x, Y *y, S *sums) {
    pool<G>(x, sums, S(0), [](S a, S b) { return S(a + b); },
            [y](int i, S value, int count) { y[i] = C::of(value * S(COMMON / count)); });
}

// How many of the ascending or descending steps a value has reached.
template <class A> inline A reached(A value, const A *thresholds, int steps) {
    A count = 0;
    for (int i = 0; i < steps; i++) count += value >= thresholds[i];
    return count;
}

template <class X> inline int argmax(const X *x, int count) {
    int best = 0;
    for (int i = 1; i < count; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

// (planes, pixels) to (pixels, planes), or back.
template <int PLANES, int PIXELS, class X> inline void interleave(const X *__restrict x, X *__restrict y) {
    for (int pixel = 0; pixel < PIXELS; pixel++)
        for (int plane = 0; plane < PLANES; plane++) y[pixel * PLANES + plane] = x[plane * PIXELS + pixel];
}

template <class T> inline const T *at(const void *parameters, int64_t offset) {
    return reinterpret_cast<const T *>(static_cast<const unsigned char *>(parameters) + offset);
}

}  // namespace slimfab
