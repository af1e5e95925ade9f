/*
 * arms.h
 *		The variant table inside a moments state.
 *
 * A table is an array of records of one size, kept in C collation order of
 * their labels, so that every state is canonical: the same arms give the same
 * bytes order, output is sorted for free, and two states merge arm by arm.
 * A record is an Arm header, room for the label, and the arm's numbers.
 */
#ifndef EXPSTAT_ARMS_H
#define EXPSTAT_ARMS_H

#include "versions.h"

#define ARMS_MAX	  1000 /* more is almost surely a unit id */
#define ARM_LABEL_MAX 255  /* bytes, likewise */

/* Labels up to this length never make a table grow. */
#define ARM_LABEL_ROOM_MIN 16

typedef struct ArmTable
{
	uint16 count;	  /* arms in use */
	uint16 capacity;  /* arms there is room for */
	uint16 labelroom; /* bytes kept per label, a multiple of 8 */
	uint16 numbers;	  /* float8 values per arm */
	uint32 size;	  /* bytes per record: header, label room and numbers */
} ArmTable;

typedef struct Arm
{
	int64  n;		 /* units */
	uint64 key;		 /* arm_key() of the label */
	int32  labellen; /* bytes */
	int32  padding;
	char   label[FLEXIBLE_ARRAY_MEMBER]; /* not NUL-terminated */
} Arm;

#define ARM_HEADER_SIZE offsetof(Arm, label)

static inline Arm *
arm_at(const ArmTable *table, const char *records, int i)
{
	return (Arm *) (records + (Size) i * table->size);
}

static inline double *
arm_numbers(const ArmTable *table, const Arm *arm)
{
	return (double *) (arm->label + table->labelroom);
}

static inline int
arm_label_room(int labellen)
{
	return Max(ARM_LABEL_ROOM_MIN, (int) TYPEALIGN(8, labellen));
}

static inline int
arm_label_length(const Arm *arm)
{
	return arm->labellen;
}

/* Four bytes of a label, from any position. */
static inline uint32
label_word(const char *label, int position)
{
	uint32 word;

	memcpy(&word, label + position, sizeof(word));
	return word;
}

/*
 * The first and the last four bytes of a label in one word, which tells most
 * labels apart; of a shorter one what there is.  It is kept in stored states:
 * another function here is another version of the format.
 */
static inline uint64
arm_key(const char *label, int len)
{
	uint64 key = 0;

	if (likely(len >= 4))
		return (uint64) label_word(label, len - 4) << 32 | label_word(label, 0);
	for (int i = 0; i < len; i++)
		key = key << 8 | (unsigned char) label[i];
	return key;
}

/* Of labels of the same length and key: do the bytes between agree, too? */
static inline bool
same_middle(const char *a, const char *b, int len)
{
	if (likely(len <= 16))
	{
		int second = Max(0, Min(4, len - 4));
		int third = Max(0, len - 8);

		return len < 4 ||
			((label_word(a, second) ^ label_word(b, second)) |
			 (label_word(a, third) ^ label_word(b, third))) == 0;
	}
	return memcmp(a, b, len) == 0;
}

extern int	arm_label_compare(const char *a, int alen, const char *b, int blen);
extern void arm_label_check(const char *label, int len);
extern int
arms_insert_position(const ArmTable *table, const char *records, const char *label, int len);
extern Arm *arms_insert(ArmTable *table, char *records, const char *label, int len);
extern int	arms_control(const ArmTable *table, const char *records, const char *label, int len);
extern int	arms_search(const ArmTable *table, const char *records, const char *label, int len);

/* Up to so many arms are compared one by one. */
#define ARMS_SCAN_MAX 8

/* The arm with this label, or NULL, among any number of arms. */
static inline Arm *
arms_search_arm(const ArmTable *table, const char *records, const char *label, int len)
{
	int i = arms_search(table, records, label, len);

	return i < 0 ? NULL : arm_at(table, records, i);
}

/*
 * The arm with this label, or NULL, for every row.
 *
 * This is much of what a row costs, and rows come in random order of their
 * arms: a comparison that left early would be mispredicted every other time.
 * So all keys are compared, without a branch on the label.
 */
static pg_attribute_always_inline Arm *
arms_find_arm(const ArmTable *table, const char *records, const char *label, int len)
{
	uint64		key = arm_key(label, len);
	const char *arm = records;
	const char *other = records;

	if (unlikely(table->count == 0 || table->count > ARMS_SCAN_MAX))
		return arms_search_arm(table, records, label, len);

	for (int i = 1; i < table->count; i++)
	{
		other += table->size;
		arm = ((const Arm *) other)->key == key ? other : arm;
	}

	if (likely(((const Arm *) arm)->key == key && ((const Arm *) arm)->labellen == len &&
			   same_middle(((const Arm *) arm)->label, label, len)))
		return (Arm *) arm;
	/* A new label, or one of several with the same key. */
	return arms_search_arm(table, records, label, len);
}

#endif /* EXPSTAT_ARMS_H */
