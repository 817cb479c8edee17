/*
 * shapes.h
 *		Series as monitoring has them, and as it should not: for tests and measurements of the codec.
 */
#ifndef TEST_SHAPES_H
#define TEST_SHAPES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* splitmix64 */
static inline uint64_t
shape_random(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline double
shape_uniform(uint64_t *state)
{
	return (double) (shape_random(state) >> 11) * 0x1.0p-53;
}

/* The sum of four uniform numbers is normal enough. */
static inline double
shape_normal(uint64_t *state)
{
	return (shape_uniform(state) + shape_uniform(state) + shape_uniform(state) + shape_uniform(state) - 2) * 1.7320508;
}

static inline double
shape_bits(uint64_t bits)
{
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

#define SHAPES(X) \
	X(constant) X(constant_decimal) X(constant_stale) X(integer_counter) X(centisecond_counter) X(burst_counter) \
	X(gauge_2_decimals) X(walk_3_decimals) X(percent) X(percent_1_decimal) X(pages) X(small_integer) X(bucket) X(up) \
	X(float_sum) X(full_precision_walk) X(ratio) X(nanosecond_sum) X(milliseconds) X(byte_bursts) X(flag) X(reset_counter) \
	X(counter_with_nan) X(counter_with_stale) X(tick) X(float32) X(float_unix_time) X(minus_zero) X(beyond_2_53) \
	X(extreme_integers) X(extremes) X(infinities) X(random_bits) X(alternating) \
	X(gorilla_paper)

typedef enum Shape
{
#define X(name) SHAPE_##name,
	SHAPES(X)
#undef X
	N_SHAPES
} Shape;

static const char *const shape_names[N_SHAPES] = {
#define X(name) #name,
	SHAPES(X)
#undef X
};

/* The next value of a walk that is kept to so many decimals. */
static inline double
shape_decimals(double value, double scale)
{
	return round(value * scale) / scale;
}

static inline void
shape_fill(Shape shape, uint64_t *state, double *values, size_t n)
{
	static const double odd[] = {0.0, -0.0, 1e300, -1e300, 5e-324, 1.7976931348623157e308, 9e15, -9e15, 9007199254740993.0, 0.1};
	double		v = floor(shape_uniform(state) * 1e7);
	double		rate = exp(shape_uniform(state) * 10);

	for (size_t i = 0; i < n; i++)
	{
		switch (shape)
		{
			case SHAPE_constant:
				break;
			case SHAPE_constant_decimal:
				v = 0.25;
				break;
			case SHAPE_constant_stale:
				v = shape_bits(UINT64_C(0x7ff0000000000002));
				break;
			case SHAPE_integer_counter:
			case SHAPE_bucket:
				v += floor(fabs(rate * (1 + 0.4 * shape_normal(state))));
				break;
			case SHAPE_centisecond_counter:
				v = shape_decimals(v + fabs(0.2 * (1 + 0.35 * shape_normal(state))), 100);
				break;
			case SHAPE_burst_counter:
				if (shape_uniform(state) < 0.1)
					v += floor(shape_uniform(state) * 2000) * 512;
				break;
			case SHAPE_gauge_2_decimals:
				v = i == 0 ? 1.2 : fabs(shape_decimals(v + (1.2 - v) * 0.03 + 0.15 * shape_normal(state), 100));
				break;
			case SHAPE_walk_3_decimals:
				v = shape_decimals(v + shape_normal(state), 1000);
				break;
			case SHAPE_percent:
				v = i == 0 ? 18 : shape_decimals(fabs(v + (18 - v) * 0.1 + 2.5 * shape_normal(state)), 100);
				break;
			case SHAPE_percent_1_decimal:
				v = i == 0 ? 50 : shape_decimals(fabs(v + (50 - v) * 0.1 + 2 * shape_normal(state)), 10);
				break;
			case SHAPE_pages:
				v = floor((v + rate * 4096 * shape_normal(state)) / 4096) * 4096;
				break;
			case SHAPE_small_integer:
				if (shape_uniform(state) < 0.5)
					v = floor(85 + 3 * shape_normal(state));
				break;
			case SHAPE_up:
				v = shape_random(state) % 5000 != 0;
				break;
			case SHAPE_float_sum:
				v += shape_uniform(state) * 0.3;
				break;
			case SHAPE_full_precision_walk:
				v += shape_normal(state) * 0.01;
				break;
			case SHAPE_ratio:
				v = floor(shape_uniform(state) * 1000) / (1 + floor(shape_uniform(state) * 1000));
				break;
			case SHAPE_nanosecond_sum:
				v += shape_decimals(shape_uniform(state) * 1e-3, 1e9);
				break;
			case SHAPE_milliseconds:
				v = (i == 0 ? v : v / 0.001 + floor(shape_uniform(state) * 100)) * 0.001;
				break;
			case SHAPE_byte_bursts:
				v += shape_uniform(state) < 0.3 ? floor(exp(shape_uniform(state) * 14)) : 0;
				break;
			case SHAPE_flag:
				v = shape_uniform(state) < 0.01;
				break;
			case SHAPE_reset_counter:
				v = shape_random(state) % 200 == 0 ? 0 : v + floor(shape_uniform(state) * 4);
				break;
			case SHAPE_counter_with_nan:
				values[i] = shape_random(state) % 100 == 0 ? shape_bits(UINT64_C(0x7ff8000000000001)) : (v += floor(shape_uniform(state) * 4));
				continue;
			case SHAPE_counter_with_stale:
				values[i] = shape_random(state) % 100 == 0 ? shape_bits(UINT64_C(0x7ff0000000000002)) : (v += 0.01);
				continue;
			case SHAPE_tick:
				v += shape_uniform(state) < 0.02 ? (shape_uniform(state) < 0.5 ? -1 : 1) : 0;
				break;
			case SHAPE_float32:
				v = (double) (float) (0.1 * shape_normal(state) + 20);
				break;
			case SHAPE_float_unix_time:
				v = 1.79e9 + (double) i * 15 + shape_uniform(state) * 0.01;
				break;
			case SHAPE_minus_zero:
				v = shape_uniform(state) < 0.1 ? -0.0 : shape_decimals(shape_uniform(state), 100);
				break;
			case SHAPE_beyond_2_53:
				v = 9007199254740992.0 + floor(shape_uniform(state) * 1e6) * 2;
				break;
			case SHAPE_extreme_integers:
				v = (double) ((int64_t) shape_random(state) >> shape_random(state) % 64);
				break;
			case SHAPE_extremes:
				v = odd[shape_random(state) % (sizeof(odd) / sizeof(odd[0]))];
				break;
			case SHAPE_infinities:
				v = shape_random(state) % 3 == 0 ? INFINITY : shape_random(state) % 2 == 0 ? -INFINITY : 1;
				break;
			case SHAPE_random_bits:
				v = shape_bits(shape_random(state));
				break;
			case SHAPE_alternating:
				v = i % 2 == 0 ? 1e15 : -1e15;
				break;
			case SHAPE_gorilla_paper:
				/* half of the values are the one before, as in figure 5 of the paper, and its codes need about as much */
				if (i == 0)
					v = 100 + floor(rate / 10);
				else if (shape_uniform(state) < 0.49)
					v = fabs(v + floor(3000 * shape_normal(state)));
				break;
			case N_SHAPES:
				break;
		}
		values[i] = v;
	}
}

#endif							/* TEST_SHAPES_H */
