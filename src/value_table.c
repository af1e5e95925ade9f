/*
 * value_table.c
 *		How often which values occur, in bounded space, for quantiles.
 */
#include "value_table.h"

#include <float.h>
#include <math.h>

#define SIGN_BIT (UINT64CONST(1) << 63)

/*
 * The bits of a float8 as an integer of the same order: all bits of a negative
 * number flipped, the sign bit of another one.
 */
static uint64
key_of_value(double value)
{
	uint64 bits;

	value += 0.0; /* one zero */
	memcpy(&bits, &value, sizeof(bits));
	return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

static double
value_of_key(uint64 key)
{
	uint64 bits = key & SIGN_BIT ? key & ~SIGN_BIT : ~key;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Can a table hold this key? */
bool
is_value_key(uint64 key, int dropped)
{
	return isfinite(value_of_key(key)) && key >> dropped << dropped == key;
}

/* Drop bits of ascending keys, join those that become equal; the new number of keys. */
static int
drop_bits(uint64 *keys, int64 *counts, int count, int bits)
{
	int joined = 0;

	for (int i = 0; i < count; i++)
	{
		uint64 key = keys[i] >> bits << bits;

		if (joined > 0 && keys[joined - 1] == key)
			counts[joined - 1] += counts[i];
		else
		{
			int64 own = counts[i];

			keys[joined] = key;
			counts[joined++] = own;
		}
	}
	return joined;
}

/* Add values by their ascending keys, of which so many bits are dropped already. */
static void
add_keys(ValueTable *table, const uint64 *keys, const int64 *counts, int count, int dropped)
{
	int		most = table->distinct + count;
	uint64 *all = palloc((Size) most * sizeof(uint64));
	int64  *times = palloc((Size) most * sizeof(int64));
	int		own = 0;
	int		other = 0;

	for (int i = 0; i < most; i++)
	{
		bool is_own = other == count || (own < table->distinct && table->keys[own] <= keys[other]);

		all[i] = is_own ? table->keys[own] : keys[other];
		times[i] = is_own ? table->counts[own] : counts[other];
		own += is_own;
		other += !is_own;
	}

	table->dropped = Max(table->dropped, dropped);
	most = drop_bits(all, times, most, table->dropped);
	while (most > VALUES_MAX)
		most = drop_bits(all, times, most, ++table->dropped);

	/* What is left over is zero: equal tables have equal bytes. */
	memset(table->keys, 0, sizeof(table->keys));
	memset(table->counts, 0, sizeof(table->counts));
	memcpy(table->keys, all, (Size) most * sizeof(uint64));
	memcpy(table->counts, times, (Size) most * sizeof(int64));
	table->distinct = most;
	pfree(all);
	pfree(times);
}

static int
compare_keys(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a;
	uint64 y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/* Put the values that wait into the table. */
void
value_table_settle(ValueTable *table)
{
	int64 ones[VALUES_WAITING];

	if (table->waiting == 0)
		return;
	for (int i = 0; i < VALUES_WAITING; i++)
		ones[i] = 1;
	qsort(table->added, table->waiting, sizeof(uint64), compare_keys);
	add_keys(table, table->added, ones, (int) table->waiting, 0);
	memset(table->added, 0, sizeof(table->added));
	table->waiting = 0;
}

void
value_table_add(ValueTable *table, double value)
{
	table->added[table->waiting++] = key_of_value(value);
	if (table->waiting == VALUES_WAITING)
		value_table_settle(table);
}

void
value_table_merge(ValueTable *table, const ValueTable *from)
{
	add_keys(table, from->keys, from->counts, from->distinct, from->dropped);
	for (int i = 0; i < from->waiting; i++)
		value_table_add(table, value_of_key(from->added[i]));
}

/*
 * The value of a rank, from 1 on, of a settled table; ends[] are the ranks of
 * the last of each key.  The values of a key with dropped bits lie evenly in
 * their interval.
 */
double
value_table_at(const ValueTable *table, const int64 *ends, int64 rank)
{
	int	   low = 0;
	int	   high = table->distinct - 1;
	double from;
	double to;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (ends[middle] < rank)
			low = middle + 1;
		else
			high = middle;
	}
	from = value_of_key(table->keys[low]);
	if (table->dropped == 0)
		return from;
	to = fmin(value_of_key(table->keys[low] + (UINT64CONST(1) << table->dropped)), DBL_MAX);
	return from +
		(to - from) * ((double) (rank - (ends[low] - table->counts[low])) - 0.5) /
		(double) table->counts[low];
}
