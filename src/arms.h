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
	int64 n;		/* units */
	int32 labellen; /* bytes */
	int32 padding;
	char  label[FLEXIBLE_ARRAY_MEMBER]; /* not NUL-terminated */
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

extern int	arm_label_compare(const char *a, int alen, const char *b, int blen);
extern void arm_label_check(const char *label, int len);
extern int
arms_insert_position(const ArmTable *table, const char *records, const char *label, int len);
extern Arm *arms_insert(ArmTable *table, char *records, const char *label, int len);
extern int	arms_control(const ArmTable *table, const char *records, const char *label, int len);
extern int	arms_search(const ArmTable *table, const char *records, const char *label, int len);

/* With so few arms a scan that compares lengths first beats any search. */
#define ARMS_SCAN_MAX 8

static inline uint32
word32(const char *p)
{
	uint32 word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Up to so many arms are scanned, and labels that are neither tiny nor long. */
#define ARMS_SCAN_MAX	   8
#define ARM_LABEL_SCAN_MIN 4
#define ARM_LABEL_SCAN_MAX 16

/*
 * Index of the arm with this label of 4 to 16 bytes, or -1.
 *
 * This runs for every row, and rows come in random order of their arms: a
 * comparison that left early would be mispredicted every other time.  So there
 * is no branch on the label: its bytes are compared as four words, which may
 * overlap, with those of every arm, whose labels have room for as many.
 */
static inline int
arms_scan(const ArmTable *table, const char *records, const char *label, int len)
{
	int	   second = Min(4, len - 4);
	int	   third = Max(len - 8, 0);
	int	   last = len - 4;
	uint32 a = word32(label);
	uint32 b = word32(label + second);
	uint32 c = word32(label + third);
	uint32 d = word32(label + last);
	int	   found = 0;

	for (int i = 0; i < table->count; i++)
	{
		const Arm  *arm = arm_at(table, records, i);
		const char *own = arm->label;
		uint32 differs = (arm->labellen ^ len) | (word32(own) ^ a) | (word32(own + second) ^ b) |
			(word32(own + third) ^ c) | (word32(own + last) ^ d);

		found += (differs == 0) * (i + 1);
	}
	return found - 1;
}

/* Index of the arm with this label, or -1. */
static inline int
arms_find(const ArmTable *table, const char *records, const char *label, int len)
{
	if (likely(table->count <= ARMS_SCAN_MAX && len >= ARM_LABEL_SCAN_MIN &&
			   len <= ARM_LABEL_SCAN_MAX))
		return arms_scan(table, records, label, len);
	return arms_search(table, records, label, len);
}

#endif /* EXPSTAT_ARMS_H */
