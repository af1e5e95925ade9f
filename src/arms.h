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

#include "postgres.h"

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
	int64  n;							 /* units */
	uint64 key;							 /* arm_key() of the label */
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

/* The key's low half is the label's length in bytes. */
static inline int
arm_label_length(const Arm *arm)
{
	return (int) (uint32) arm->key;
}

/*
 * Looking up a row's arm is most of what a row costs, and rows come in random
 * order of their arms: a comparison that left early would be mispredicted every
 * other time.  So there is no branch on a label of 4 to 16 bytes: it is read as
 * four words, which may overlap.
 */
typedef struct LabelWords
{
	uint32 word[4];
} LabelWords;

static inline uint32
label_word(const char *p)
{
	uint32 word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* The words of a label of `len` bytes, at least 4. */
static inline LabelWords
label_words(const char *label, int len)
{
	LabelWords words = {{label_word(label), label_word(label + Min(4, len - 4)),
						 label_word(label + Max(len - 8, 0)), label_word(label + len - 4)}};

	return words;
}

/*
 * The length of a label and a hash of it, to compare at once.  It is kept in
 * stored states: another function here is another version of the format.
 */
static inline uint64
arm_key(const char *label, int len)
{
	uint32 hash = 0;

	if (likely(len >= 4))
	{
		LabelWords words = label_words(label, len);

		hash = words.word[0] * 0x9e3779b1U + words.word[1] * 0x85ebca77U +
			words.word[2] * 0xc2b2ae3dU + words.word[3] * 0x27d4eb2fU;
	}
	else
	{
		for (int i = 0; i < len; i++)
			hash = hash * 0x9e3779b1U + (unsigned char) label[i] + 1;
	}
	return (uint64) hash << 32 | (uint32) len;
}

/* Is this the arm's label?  Its key is the same, so its length is. */
static inline bool
arm_has_label(const Arm *arm, const char *label, int len)
{
	if (likely(len >= 4 && len <= 16))
	{
		LabelWords a = label_words(arm->label, len);
		LabelWords b = label_words(label, len);

		return ((a.word[0] ^ b.word[0]) | (a.word[1] ^ b.word[1]) | (a.word[2] ^ b.word[2]) |
				(a.word[3] ^ b.word[3])) == 0;
	}
	return memcmp(arm->label, label, len) == 0;
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

/* Index of the arm with this label, or -1. */
static inline int
arms_find(const ArmTable *table, const char *records, const char *label, int len)
{
	uint64 key = arm_key(label, len);
	int	   found = 0;

	if (unlikely(table->count > ARMS_SCAN_MAX))
		return arms_search(table, records, label, len);

	for (int i = 1; i < table->count; i++)
		found = arm_at(table, records, i)->key == key ? i : found;

	if (likely(table->count > 0 && arm_at(table, records, found)->key == key &&
			   arm_has_label(arm_at(table, records, found), label, len)))
		return found;
	/* A new label, or one whose key another label has, too. */
	return arms_search(table, records, label, len);
}

#endif /* EXPSTAT_ARMS_H */
