/*
 * bootstrap_state.c
 *		Building and merging the state of a Poisson bootstrap.
 */
#include "bootstrap_state.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

/* Bytes per arm behind its label. */
static Size
body_size(const Bootstrap *b)
{
	if (b->metrics == 0)
		return sizeof(ValueTable);
	return offsetof(BootstrapSums, replicates) +
		(Size) (1 + b->metrics * BOOTSTRAP_DIGITS) * bootstrap_stride(b) * sizeof(int64);
}

static Bootstrap *
bootstrap_allocate(const Bootstrap *like, const char *control, int capacity, int labelroom)
{
	ArmTable   arms = {0};
	Size	   size;
	Bootstrap *b;

	arms.capacity = capacity;
	arms.labelroom = labelroom;
	arms.size = ARM_HEADER_SIZE + labelroom + body_size(like);

	size = offsetof(Bootstrap, data) + TYPEALIGN(8, Max(like->controllen, 0)) +
		(Size) capacity * arms.size;
	if (size > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a bootstrap of %d variants and %d replicates is too large", capacity,
						like->replicates),
				 errhint("The variant argument is the arm of the experiment, such as 'control'; a "
						 "unit id may have been passed in its place.")));

	b = palloc0(size);
	*b = *like;
	SET_VARSIZE(b, size);
	b->arms = arms;
	if (like->controllen > 0)
		memcpy(b->data, control, like->controllen);
	return b;
}

/*
 * A state without arms, with room for the two that most experiments have.  The
 * constant arguments travel in it: replicates, seed, the quantile (0: none) and the
 * control's label (a length of -1: none).
 */
Bootstrap *
bootstrap_create(int metrics, int replicates, int64 seed, double quantile, const char *control,
				 int controllen)
{
	Bootstrap like = {0};

	like.version = BOOTSTRAP_VERSION;
	like.metrics = metrics;
	like.replicates = replicates;
	like.seed = seed;
	like.controllen = controllen;
	like.quantile = quantile;
	return bootstrap_allocate(&like, control, 2, ARM_LABEL_ROOM_MIN);
}

bool
bootstrap_has_control(const Bootstrap *b, const char *control, int len)
{
	return b->controllen == len && (len <= 0 || memcmp(b->data, control, len) == 0);
}

/* Copy all arms into an empty state that has room for them. */
static void
bootstrap_copy_arms(Bootstrap *to, const Bootstrap *from)
{
	for (int i = 0; i < from->arms.count; i++)
	{
		const Arm *arm = bootstrap_arm(from, i);
		Arm		  *copy = bootstrap_arm(to, to->arms.count++);

		memcpy(copy, arm, ARM_HEADER_SIZE + arm_label_length(arm));
		memcpy(arm_numbers(&to->arms, copy), arm_numbers(&from->arms, arm), body_size(from));
	}
}

/*
 * Add an arm that is not there yet, and return the state: the same one, or a
 * larger copy in the current memory context.  The old one is never freed: it
 * may be the live state of an aggregate, which the executor frees itself.
 */
Bootstrap *
bootstrap_add_arm(Bootstrap *b, const char *label, int len, Arm **arm)
{
	arm_label_check(label, len);
	if (b->arms.count >= ARMS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("more than %d variants", ARMS_MAX),
				 errdetail("The next one is \"%.*s\".", len, label),
				 errhint("The variant argument is the arm of the experiment, such as 'control'; a "
						 "unit id may have been passed in its place.")));

	if (b->arms.count == b->arms.capacity || len > b->arms.labelroom)
	{
		int		   capacity = b->arms.capacity;
		Bootstrap *grown;

		if (b->arms.count == capacity)
			capacity = Min(Max(2 * capacity, 2), ARMS_MAX);
		grown =
			bootstrap_allocate(b, b->data, capacity, Max(b->arms.labelroom, arm_label_room(len)));
		bootstrap_copy_arms(grown, b);
		b = grown;
	}
	*arm = arms_insert(&b->arms, bootstrap_records(b), label, len);
	for (int i = 0; i < BOOTSTRAP_METRICS_MAX && b->metrics > 0; i++)
		bootstrap_sums(b, *arm)->metrics[i].top = BOOTSTRAP_TOP_MIN;
	return b;
}

/* The arm of that label, which may be new; the state may move. */
Bootstrap *
bootstrap_find_arm(Bootstrap *b, const char *label, int len, Arm **arm)
{
	int position = arms_search(&b->arms, bootstrap_records(b), label, len);

	if (position < 0)
		return bootstrap_add_arm(b, label, len, arm);
	*arm = bootstrap_arm(b, position);
	return b;
}

static int64
check_rows(const Arm *arm, int64 n)
{
	if (n > BOOTSTRAP_ROWS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than " INT64_FORMAT " rows in variant \"%.*s\"", BOOTSTRAP_ROWS_MAX,
						arm_label_length(arm), arm->label),
				 errhint("At such sizes the intervals of welch_t and delta_ratio are as good.")));
	return n;
}

/* ---- digits ---- */

/*
 * Position of the highest digit of y: the least with |y| < 2^(32 top + 30), below
 * a digit's range even with the carry that the digit below may give.
 */
static int
top_digit(double y)
{
	int exponent;

	if (y == 0.0)
		return BOOTSTRAP_TOP_MIN;
	(void) frexp(y, &exponent); /* |y| < 2^exponent */
	return (int) floor((exponent + 1) / 32.0);
}

/*
 * The three digits of y that end at position `top`, which is at least that of
 * y's own highest, the lowest first.
 *
 * y has 53 bits, the highest of them at least 64 bits above the end of the
 * three digits that start at its own top: these are y, exactly.  Those that lie
 * below the digits asked for are dropped.
 */
static void
digits_at(double y, int top, int32 *digits)
{
	int	   own = top_digit(y);
	int	   drop = top - own;
	int128 rest;
	int	   exponent;
	double mantissa = ldexp(frexp(y, &exponent), 53);

	memset(digits, 0, BOOTSTRAP_DIGITS * sizeof(int32));
	if (y == 0.0 || drop >= BOOTSTRAP_DIGITS)
		return;

	rest = (int128) mantissa * ((int128) 1 << (exponent - 53 - 32 * (own - 2)));
	for (int i = 0; i < BOOTSTRAP_DIGITS; i++)
	{
		int32 digit = (int32) (uint32) rest;

		if (i >= drop)
			digits[i - drop] = digit;
		rest = (rest - digit) >> 32;
	}
}

/* Move the digits of a metric up, so that they end at `top`. */
static void
raise_top(const Bootstrap *b, BootstrapSums *sums, int metric, int top)
{
	BootstrapMetric *m = &sums->metrics[metric];
	int				 drop = top - m->top;

	if (drop <= 0)
		return;
	for (int i = 0; i < BOOTSTRAP_DIGITS; i++)
	{
		bool   kept = i + drop < BOOTSTRAP_DIGITS;
		int64 *to = bootstrap_digits(b, sums, metric, i);
		Size   size = bootstrap_stride(b) * sizeof(int64);

		m->sample[i] = kept ? m->sample[i + drop] : 0;
		if (kept)
			memcpy(to, bootstrap_digits(b, sums, metric, i + drop), size);
		else
			memset(to, 0, size);
	}
	m->top = top;
}

/* ---- adding rows ---- */

/* Bytes of a batch's digits, by position and row; the fourth of a digit has its sign. */
typedef uint16 Bytes[4][POISSON_BATCH];

typedef struct Batch
{
	int	   rows;
	uint64 keys[POISSON_BATCH];
	Bytes  bytes[BOOTSTRAP_METRICS_MAX][BOOTSTRAP_DIGITS];
	bool   used[BOOTSTRAP_METRICS_MAX][BOOTSTRAP_DIGITS][4]; /* has a byte that is not 0 */
} Batch;

static void
take_digit(Batch *batch, int metric, int position, int row, int32 digit)
{
	for (int i = 0; i < 4; i++)
	{
		uint8 byte = (uint32) digit >> 8 * i;

		batch->bytes[metric][position][i][row] = i < 3 ? byte : (uint16) (int8) byte;
		batch->used[metric][position][i] |= byte != 0;
	}
}

/* The digits of the pending rows, added to the sums of the sample at once. */
static void
take_batch(const Bootstrap *b, BootstrapSums *sums, Batch *batch)
{
	memset(batch->used, 0, sizeof(batch->used));
	batch->rows = (int) sums->pending;
	for (int row = 0; row < batch->rows; row++)
		batch->keys[row] = sums->rows[row].key;

	for (int metric = 0; metric < b->metrics; metric++)
	{
		BootstrapMetric *m = &sums->metrics[metric];

		for (int row = 0; row < batch->rows; row++)
			raise_top(b, sums, metric, top_digit(sums->rows[row].values[metric]));
		for (int row = 0; row < batch->rows; row++)
		{
			int32 digits[BOOTSTRAP_DIGITS];

			digits_at(sums->rows[row].values[metric], m->top, digits);
			for (int i = 0; i < BOOTSTRAP_DIGITS; i++)
			{
				m->sample[i] += digits[i];
				take_digit(batch, metric, i, row, digits[i]);
			}
		}
	}
}

/* total[] += sums[] * 2^shift; the sums of a digit's highest byte have a sign. */
static void
add_shifted(int64 *total, const uint16 *sums, int shift)
{
	if (shift == 24)
	{
		for (int i = 0; i < POISSON_BLOCK; i++)
			total[i] += (int64) (int16) sums[i] * (1 << 24);
		return;
	}
	for (int i = 0; i < POISSON_BLOCK; i++)
		total[i] += (int64) sums[i] << shift;
}

/* Add a batch to the sums of one block of replicates. */
static void
add_block(const Bootstrap *b, BootstrapSums *sums, const Batch *batch, int block)
{
	static const uint16 ones[POISSON_BATCH] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
											   1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	int					first = block * POISSON_BLOCK;
	PoissonBlock		weights[POISSON_BATCH];
	PoissonBlock		dot;

	poisson_weights(batch->keys, batch->rows, block, weights);
	poisson_dot(weights, ones, batch->rows, dot);
	add_shifted(bootstrap_weights(sums) + first, dot, 0);

	for (int metric = 0; metric < b->metrics; metric++)
		for (int digit = 0; digit < BOOTSTRAP_DIGITS; digit++)
			for (int i = 0; i < 4; i++)
			{
				if (!batch->used[metric][digit][i])
					continue;
				poisson_dot(weights, batch->bytes[metric][digit][i], batch->rows, dot);
				add_shifted(bootstrap_digits(b, sums, metric, digit) + first, dot, 8 * i);
			}
}

/* Add the rows that wait. */
static void
add_pending(const Bootstrap *b, BootstrapSums *sums)
{
	Batch batch;
	int	  blocks = bootstrap_blocks(b);

	if (sums->pending == 0)
		return;
	take_batch(b, sums, &batch);
	for (int block = 0; block < blocks; block++)
		add_block(b, sums, &batch, block);
	memset(sums->rows, 0, sizeof(sums->rows));
	sums->pending = 0;
}

/*
 * Add a row.  Rows wait until a batch is full: the weights of a batch stay in
 * the processor's cache while they are used, and so do the sums of a block.
 */
void
bootstrap_add_row(const Bootstrap *b, Arm *arm, uint64 key, const double *values)
{
	BootstrapSums *sums = bootstrap_sums(b, arm);
	BootstrapRow  *row = &sums->rows[sums->pending++];

	arm->n = check_rows(arm, arm->n + 1);
	row->key = key;
	for (int i = 0; i < b->metrics; i++)
		row->values[i] = values[i];
	if (sums->pending == POISSON_BATCH)
		add_pending(b, sums);
}

void
bootstrap_add_value(const Bootstrap *b, Arm *arm, double value)
{
	arm->n = check_rows(arm, arm->n + 1);
	value_table_add(bootstrap_values(b, arm), value);
}

/* ---- merging ---- */

static void
add_sums(const Bootstrap *b, BootstrapSums *into, BootstrapSums *from)
{
	int stride = bootstrap_stride(b);

	for (int i = 0; i < stride; i++)
		bootstrap_weights(into)[i] += bootstrap_weights(from)[i];

	for (int metric = 0; metric < b->metrics; metric++)
	{
		int top = Max(into->metrics[metric].top, from->metrics[metric].top);
		int drop = top - from->metrics[metric].top;

		raise_top(b, into, metric, top);
		for (int digit = drop; digit < BOOTSTRAP_DIGITS; digit++)
		{
			int64		*to = bootstrap_digits(b, into, metric, digit - drop);
			const int64 *own = bootstrap_digits(b, from, metric, digit);

			into->metrics[metric].sample[digit - drop] += from->metrics[metric].sample[digit];
			for (int i = 0; i < stride; i++)
				to[i] += own[i];
		}
	}
}

static void
check_can_merge(const Bootstrap *a, const Bootstrap *b)
{
	if (a->metrics != b->metrics)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("bootstraps of %d and of %d metrics cannot be merged", a->metrics, b->metrics),
			 errhint("bootstrap_agg without a unit, for quantiles, counts as none.")));
	if (a->replicates != b->replicates || a->seed != b->seed)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("bootstraps of %d replicates with seed " INT64_FORMAT " and of %d with "
					"seed " INT64_FORMAT " cannot be merged",
					a->replicates, a->seed, b->replicates, b->seed),
			 errhint("Replicates and seed must be the same constants in every row and state.")));
	if (!bootstrap_has_control(a, b->data, b->controllen) || a->quantile != b->quantile)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("states with different %s arguments cannot be merged",
						a->quantile != b->quantile ? "p" : "control"),
				 errhint("The argument must be the same constant in every row of a group.")));
}

/* Merge an arm of sums; rows that wait are added one by one. */
static void
merge_sums(const Bootstrap *into, Arm *own, const Bootstrap *from, const Arm *arm)
{
	BootstrapSums *sums = bootstrap_sums(from, arm);

	own->n = check_rows(own, own->n + arm->n - sums->pending);
	add_sums(into, bootstrap_sums(into, own), sums);
	for (int row = 0; row < sums->pending; row++)
		bootstrap_add_row(into, own, sums->rows[row].key, sums->rows[row].values);
}

/* Merge `from` into `into`, in place where there is room, and return the state. */
Bootstrap *
bootstrap_merge(Bootstrap *into, const Bootstrap *from)
{
	check_can_merge(into, from);
	for (int i = 0; i < from->arms.count; i++)
	{
		const Arm *arm = bootstrap_arm(from, i);
		Arm		  *own;

		CHECK_FOR_INTERRUPTS();
		into = bootstrap_find_arm(into, arm->label, arm_label_length(arm), &own);
		if (into->metrics > 0)
			merge_sums(into, own, from, arm);
		else
		{
			own->n = check_rows(own, own->n + arm->n);
			value_table_merge(bootstrap_values(into, own), bootstrap_values(from, arm));
		}
	}
	return into;
}

static void
clear_padding(const Bootstrap *b, BootstrapSums *sums)
{
	int stride = bootstrap_stride(b);

	for (int array = 0; array < 1 + b->metrics * BOOTSTRAP_DIGITS; array++)
		for (int i = b->replicates; i < stride; i++)
			sums->replicates[(Size) array * stride + i] = 0;
}

/*
 * The finished form of a state: a copy that shares nothing with it, as small as
 * can be, without the control's label, all rows added, and nothing in the room
 * behind the last replicate.  States of the same rows have the same bytes.
 */
Bootstrap *
bootstrap_finish(const Bootstrap *b)
{
	Bootstrap  like = *b;
	int		   labelroom = ARM_LABEL_ROOM_MIN;
	Bootstrap *copy;

	for (int i = 0; i < b->arms.count; i++)
		labelroom = Max(labelroom, arm_label_room(arm_label_length(bootstrap_arm(b, i))));

	like.controllen = -1;
	like.quantile = 0.0;
	copy = bootstrap_allocate(&like, NULL, b->arms.count, labelroom);
	bootstrap_copy_arms(copy, b);
	for (int i = 0; i < copy->arms.count; i++)
	{
		const Arm *arm = bootstrap_arm(copy, i);

		CHECK_FOR_INTERRUPTS();
		if (copy->metrics == 0)
		{
			value_table_settle(bootstrap_values(copy, arm));
			continue;
		}
		add_pending(copy, bootstrap_sums(copy, arm));
		clear_padding(copy, bootstrap_sums(copy, arm));
	}
	return copy;
}

/* Refuse a stored state written by a version of expstat that this one cannot read. */
void
bootstrap_check_version(const Bootstrap *b)
{
	if (VARSIZE(b) < offsetof(Bootstrap, data) || b->version != BOOTSTRAP_VERSION)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("bootstrap value has format version %d, which this version of expstat cannot "
					"read",
					VARSIZE(b) < offsetof(Bootstrap, data) ? 0 : b->version),
			 errhint(
				 "Upgrade expstat with ALTER EXTENSION expstat UPDATE and restart the session.")));
}
