/*
 * bootstrap_io.c
 *		Binary and text form of the SQL type bootstrap.
 *
 * The text form is the binary one in hexadecimal, as that of bytea: a state is
 * thousands of sums, which nobody reads.  So there is one reader.  It treats its
 * input as hostile: every length, count and number is checked, and nothing is
 * allocated on the word of a count alone.
 *
 * All integers in network order, texts as a length and bytes:
 *
 *		int8 version, int8 metrics, int16 replicates, int64 seed,
 *		float8 quantile, int8 control given?, text control ("" if not),
 *		int32 arms, then per arm text label, int64 rows, and of sums
 *			int64 weights[replicates], then per metric
 *			int32 top, int64 sample[3], int64 digits[3][replicates]
 *		of values
 *			int32 bits dropped, int32 values, then per value
 *			int64 key, int64 count
 *
 * Texts are in the encoding of the client in the binary form, as in that of any
 * type, and in the encoding of the database in the text form: nobody converts
 * what is written in hexadecimal, so it must not depend on the session.
 */
#include "bootstrap_fmgr.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(bootstrap_in);
PG_FUNCTION_INFO_V1(bootstrap_out);
PG_FUNCTION_INFO_V1(bootstrap_recv);
PG_FUNCTION_INFO_V1(bootstrap_send);

typedef enum Form
{
	BINARY_FORM,
	TEXT_FORM
} Form;

/* ---- writing ---- */

static void
send_label(StringInfo buffer, Form form, const char *label, int len)
{
	if (form == BINARY_FORM)
	{
		send_counted_text(buffer, label, len);
		return;
	}
	pq_sendint32(buffer, len);
	pq_sendbytes(buffer, label, len);
}

static void
send_sums(StringInfo buffer, const int64 *sums, int count)
{
	for (int i = 0; i < count; i++)
		pq_sendint64(buffer, sums[i]);
}

static void
send_values(StringInfo buffer, const ValueTable *table)
{
	pq_sendint32(buffer, table->dropped);
	pq_sendint32(buffer, table->distinct);
	for (int i = 0; i < table->distinct; i++)
	{
		pq_sendint64(buffer, table->keys[i]);
		pq_sendint64(buffer, table->counts[i]);
	}
}

static void
send_arm(StringInfo buffer, Form form, const Bootstrap *b, const Arm *arm)
{
	BootstrapSums *sums = bootstrap_sums(b, arm);

	send_label(buffer, form, arm->label, arm_label_length(arm));
	pq_sendint64(buffer, arm->n);
	if (b->metrics == 0)
	{
		send_values(buffer, bootstrap_values(b, arm));
		return;
	}
	send_sums(buffer, bootstrap_weights(sums), b->replicates);
	for (int metric = 0; metric < b->metrics; metric++)
	{
		pq_sendint32(buffer, sums->metrics[metric].top);
		send_sums(buffer, sums->metrics[metric].sample, BOOTSTRAP_DIGITS);
		for (int digit = 0; digit < BOOTSTRAP_DIGITS; digit++)
			send_sums(buffer, bootstrap_digits(b, sums, metric, digit), b->replicates);
	}
}

static bytea *
bootstrap_to_bytes(const Bootstrap *b, Form form)
{
	const Bootstrap *whole = bootstrap_finish(b);
	StringInfoData	 buffer;

	pq_begintypsend(&buffer);
	pq_sendint8(&buffer, b->version);
	pq_sendint8(&buffer, b->metrics);
	pq_sendint16(&buffer, b->replicates);
	pq_sendint64(&buffer, b->seed);
	pq_sendfloat8(&buffer, b->quantile);
	pq_sendint8(&buffer, b->controllen >= 0);
	send_label(&buffer, form, b->data, Max(b->controllen, 0));
	pq_sendint32(&buffer, b->arms.count);
	for (int i = 0; i < whole->arms.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		send_arm(&buffer, form, whole, bootstrap_arm(whole, i));
	}
	return pq_endtypsend(&buffer);
}

Datum
bootstrap_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(bootstrap_to_bytes(PG_GETARG_BOOTSTRAP(0), BINARY_FORM));
}

Datum
bootstrap_out(PG_FUNCTION_ARGS)
{
	bytea *bytes = bootstrap_to_bytes(PG_GETARG_BOOTSTRAP(0), TEXT_FORM);
	int	   count = VARSIZE_ANY_EXHDR(bytes);
	char  *text = palloc(2 * (Size) count + 3);

	text[0] = '\\';
	text[1] = 'x';
	text[2 + hex_encode(VARDATA_ANY(bytes), count, text + 2)] = '\0';
	PG_RETURN_CSTRING(text);
}

/* ---- reading ---- */

static void invalid(const char *what) pg_attribute_noreturn();

static void
invalid(const char *what)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid bootstrap: %s", what)));
}

/* A number that must be in a range. */
static int64
in_range(int64 value, int64 least, int64 most, const char *what)
{
	if (value < least || value > most)
		invalid(psprintf("%s is " INT64_FORMAT ", not from " INT64_FORMAT " to " INT64_FORMAT, what,
						 value, least, most));
	return value;
}

/* Not NUL-terminated. */
static const char *
receive_label(StringInfo buffer, Form form, int *len)
{
	int			bytes = (int) pq_getmsgint(buffer, 4);
	const char *label;

	in_range(bytes, 0, Min(ARM_LABEL_MAX, buffer->len - buffer->cursor), "the length of a label");
	if (form == BINARY_FORM)
		return pq_getmsgtext(buffer, bytes, len);

	label = pq_getmsgbytes(buffer, bytes);
	pg_verifymbstr(label, bytes, false);
	*len = bytes;
	return label;
}

/*
 * Digits are from -2^31 to 2^31 each, so that a sum of them is within that times
 * the sum of the weights.
 */
static int64
receive_digits(StringInfo buffer, int64 weights)
{
	int64 most = weights * (INT64CONST(1) << 31);

	return in_range(pq_getmsgint64(buffer), -most, most, "a sum");
}

static void
receive_metric(StringInfo buffer, const Bootstrap *b, const Arm *arm, int metric)
{
	BootstrapSums	*sums = bootstrap_sums(b, arm);
	BootstrapMetric *m = &sums->metrics[metric];

	m->top = (int32) in_range((int32) pq_getmsgint(buffer, 4), BOOTSTRAP_TOP_MIN, BOOTSTRAP_TOP_MAX,
							  "the position of a digit");
	for (int digit = 0; digit < BOOTSTRAP_DIGITS; digit++)
		m->sample[digit] = receive_digits(buffer, arm->n);
	for (int digit = 0; digit < BOOTSTRAP_DIGITS; digit++)
		for (int i = 0; i < b->replicates; i++)
			bootstrap_digits(b, sums, metric, digit)[i] =
				receive_digits(buffer, bootstrap_weights(sums)[i]);
}

static void
receive_values(StringInfo buffer, const Arm *arm, ValueTable *table)
{
	int64 rows = 0;

	table->dropped = (int32) in_range((int32) pq_getmsgint(buffer, 4), 0, VALUE_BITS_MAX,
									  "the number of dropped bits");
	table->distinct =
		(int32) in_range((int32) pq_getmsgint(buffer, 4), 1, VALUES_MAX, "the number of values");
	for (int i = 0; i < table->distinct; i++)
	{
		uint64 key = pq_getmsgint64(buffer);

		if (!is_value_key(key, table->dropped))
			invalid("a value is not finite, or has bits that are dropped");
		if (i > 0 && key <= table->keys[i - 1])
			invalid("values are not in ascending order");
		table->keys[i] = key;
		table->counts[i] = in_range(pq_getmsgint64(buffer), 1, arm->n, "a count");
		rows += table->counts[i];
	}
	if (rows != arm->n)
		invalid("its counts are not those of its rows");
}

static void
receive_sums(StringInfo buffer, const Bootstrap *b, const Arm *arm)
{
	int64 *weights = bootstrap_weights(bootstrap_sums(b, arm));

	for (int i = 0; i < b->replicates; i++)
		weights[i] = in_range(pq_getmsgint64(buffer), 0, arm->n * POISSON_MAX, "a sum of weights");
	for (int metric = 0; metric < b->metrics; metric++)
		receive_metric(buffer, b, arm, metric);
}

static Bootstrap *
receive_arm(StringInfo buffer, Form form, Bootstrap *b)
{
	int			len;
	const char *label = receive_label(buffer, form, &len);
	Arm		   *arm;

	if (arms_search(&b->arms, bootstrap_records(b), label, len) >= 0)
		invalid(psprintf("variant \"%.*s\" occurs twice", len, label));
	b = bootstrap_add_arm(b, label, len, &arm);
	arm->n = in_range(pq_getmsgint64(buffer), 1, BOOTSTRAP_ROWS_MAX, "a number of rows");
	if (b->metrics == 0)
		receive_values(buffer, arm, bootstrap_values(b, arm));
	else
		receive_sums(buffer, b, arm);
	return b;
}

static Bootstrap *
receive_header(StringInfo buffer, Form form)
{
	int			metrics;
	int			replicates;
	int64		seed;
	double		quantile;
	bool		has_control;
	const char *control;
	int			controllen;

	in_range(pq_getmsgbyte(buffer), BOOTSTRAP_VERSION, BOOTSTRAP_VERSION, "the format version");
	metrics =
		(int) in_range(pq_getmsgbyte(buffer), 0, BOOTSTRAP_METRICS_MAX, "the number of metrics");
	replicates = (int) in_range(pq_getmsgint(buffer, 2), BOOTSTRAP_REPLICATES_MIN,
								BOOTSTRAP_REPLICATES_MAX, "the number of replicates");
	seed = pq_getmsgint64(buffer);
	quantile = pq_getmsgfloat8(buffer);
	if (!(quantile >= 0.0 && quantile < 1.0) || (quantile > 0.0 && metrics > 0))
		invalid(psprintf("the quantile is %g", quantile));
	has_control = in_range(pq_getmsgbyte(buffer), 0, 1, "whether there is a control");
	control = receive_label(buffer, form, &controllen);
	if (!has_control && controllen > 0)
		invalid("it has a control label and says that it has none");
	return bootstrap_create(metrics, replicates, seed, quantile, control,
							has_control ? controllen : -1);
}

static Bootstrap *
bootstrap_from_bytes(StringInfo buffer, Form form)
{
	Bootstrap *b = receive_header(buffer, form);
	int		   arms = (int) pq_getmsgint(buffer, 4);

	in_range(arms, 0, ARMS_MAX, "the number of variants");
	for (int i = 0; i < arms; i++)
	{
		CHECK_FOR_INTERRUPTS();
		b = receive_arm(buffer, form, b);
	}
	return b;
}

Datum
bootstrap_recv(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(bootstrap_from_bytes((StringInfo) PG_GETARG_POINTER(0), BINARY_FORM));
}

Datum
bootstrap_in(PG_FUNCTION_ARGS)
{
	char		  *text = PG_GETARG_CSTRING(0);
	int			   length = strlen(text);
	StringInfoData buffer;
	Bootstrap	  *b;

	if (strncmp(text, "\\x", 2) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("malformed bootstrap: it must start with \\x"),
				 errhint("The text form is what bootstrap_agg(...)::text gives.")));
	initStringInfo(&buffer);
	enlargeStringInfo(&buffer, length / 2);
	buffer.len = (int) hex_decode(text + 2, length - 2, buffer.data);
	b = bootstrap_from_bytes(&buffer, TEXT_FORM);
	pq_getmsgend(&buffer);
	PG_RETURN_POINTER(b);
}
