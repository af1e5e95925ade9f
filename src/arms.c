/*
 * arms.c
 *		Look-up and insertion in the variant table of a moments state.
 */
#include "arms.h"

#include "mb/pg_wchar.h"

/* Order of the "C" collation: bytes, then length. */
int
arm_label_compare(const char *a, int alen, const char *b, int blen)
{
	int result = memcmp(a, b, Min(alen, blen));

	return result != 0 ? result : alen - blen;
}

/* Position of a label that is not in the table, or of the arm that has it. */
int
arms_insert_position(const ArmTable *table, const char *records, const char *label, int len)
{
	int low = 0;
	int high = table->count;

	while (low < high)
	{
		int		   middle = (low + high) / 2;
		const Arm *arm = arm_at(table, records, middle);

		if (arm_label_compare(arm->label, arm_label_length(arm), label, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Index of the arm with this label among any number of arms, or -1. */
int
arms_search(const ArmTable *table, const char *records, const char *label, int len)
{
	int		   i = arms_insert_position(table, records, label, len);
	const Arm *arm = arm_at(table, records, i);

	if (i < table->count && arm_label_compare(arm->label, arm_label_length(arm), label, len) == 0)
		return i;
	return -1;
}

/* Refuse a label that is almost surely a unit id or a document. */
void
arm_label_check(const char *label, int len)
{
	if (len <= ARM_LABEL_MAX)
		return;

	ereport(ERROR,
			(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
			 errmsg("variant label is too long: %d bytes", len),
			 errdetail("The label starts with \"%.*s\"; at most %d bytes are allowed.",
					   pg_mbcliplen(label, len, 40), label, ARM_LABEL_MAX),
			 errhint("The variant argument is the name of the arm, such as 'control', not a unit "
					 "or a payload.")));
}

/*
 * Insert an arm with no units in its place; the caller has made room for one
 * more record and for the label.
 */
Arm *
arms_insert(ArmTable *table, char *records, const char *label, int len)
{
	int	  position = arms_insert_position(table, records, label, len);
	Size  size = table->size;
	char *place = records + position * size;
	Arm	 *arm = (Arm *) place;

	Assert(table->count < table->capacity && len <= table->labelroom);

	memmove(place + size, place, (table->count - position) * size);
	memset(place, 0, size);
	arm->key = arm_key(label, len);
	arm->labellen = len;
	memcpy(arm->label, label, len);
	table->count++;
	return arm;
}

/*
 * Index of the control arm: the one with the given label (NULL: none given),
 * else the one labelled "control", else the first; -1 if the label given does
 * not occur or the table is empty.
 */
int
arms_control(const ArmTable *table, const char *records, const char *label, int len)
{
	int i;

	if (label != NULL)
		return arms_search(table, records, label, len);

	i = arms_search(table, records, "control", strlen("control"));
	if (i < 0 && table->count > 0)
		i = 0;
	return i;
}
