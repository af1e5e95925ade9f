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
} ArmTable;

typedef struct Arm
{
	int64 n;		/* units */
	int32 labellen; /* bytes */
	int32 padding;
	char  label[FLEXIBLE_ARRAY_MEMBER]; /* not NUL-terminated */
} Arm;

#define ARM_HEADER_SIZE offsetof(Arm, label)

static inline Size
arm_size(const ArmTable *table)
{
	return ARM_HEADER_SIZE + table->labelroom + table->numbers * sizeof(double);
}

static inline Arm *
arm_at(const ArmTable *table, const char *records, int i)
{
	return (Arm *) (records + i * arm_size(table));
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
extern int	arms_find(const ArmTable *table, const char *records, const char *label, int len);
extern int
arms_insert_position(const ArmTable *table, const char *records, const char *label, int len);
extern Arm *arms_insert(ArmTable *table, char *records, const char *label, int len);
extern int	arms_control(const ArmTable *table, const char *records, const char *label, int len);

#endif /* EXPSTAT_ARMS_H */
