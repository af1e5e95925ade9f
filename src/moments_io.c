/*
 * moments_io.c
 *		The SQL type moments: text, binary, jsonb, equality.
 *
 * Both readers treat their input as hostile: every length, count and number
 * is checked, and nothing is allocated on the word of a count alone.
 */
#include "moments_fmgr.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/jsonfuncs.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(moments_in);
PG_FUNCTION_INFO_V1(moments_out);
PG_FUNCTION_INFO_V1(moments_recv);
PG_FUNCTION_INFO_V1(moments_send);
PG_FUNCTION_INFO_V1(moments_to_jsonb);
PG_FUNCTION_INFO_V1(moments_eq);
PG_FUNCTION_INFO_V1(moments_ne);
PG_FUNCTION_INFO_V1(moments_hash);

/*
 * What both readers do with an arm that they have filled in: bring it into its
 * canonical form, and refuse what could not have come from rows.
 */
static void
check_arm(const Moments *m, Arm *arm, int errorcode)
{
	double *numbers = moments_mean(m, arm);

	if (arm->n < 1 || arm->n > MOMENTS_UNITS_MAX)
		ereport(ERROR,
				(errcode(errorcode),
				 errmsg("invalid moments: variant \"%.*s\" has n = " INT64_FORMAT,
						arm_label_length(arm), arm->label, arm->n),
				 errhint("A variant has from 1 to 2^53 units.")));

	/* Adding 0 makes a negative zero positive: equal states have equal bytes. */
	for (int i = 0; i < m->arms.numbers; i++)
		numbers[i] += 0.0;
	moments_normalise(m, arm);

	for (int i = 0; i < m->arms.numbers; i++)
	{
		if (!isfinite(numbers[i]))
			ereport(ERROR,
					(errcode(errorcode),
					 errmsg("invalid moments: variant \"%.*s\" has a number that is not finite",
							arm_label_length(arm), arm->label)));
	}
	for (int i = 0; i < m->metrics; i++)
	{
		double squares = moments_squares(m, arm, i);

		if (squares < 0.0 || (arm->n == 1 && squares != 0.0))
			ereport(ERROR,
					(errcode(errorcode),
					 errmsg("invalid moments: variant \"%.*s\" has a sum of squares of %g for "
							"metric %d with n = " INT64_FORMAT,
							arm_label_length(arm), arm->label, squares, i + 1, arm->n)));
	}
}

static void
check_metrics(int64 metrics, MomentsShape shape, int errorcode)
{
	int least = shape == MOMENTS_DIAGONAL ? 2 : 0;
	int most = shape == MOMENTS_DIAGONAL ? MOMENTS_DIAGONAL_MAX : MOMENTS_METRICS_MAX;

	if (metrics < least || metrics > most)
		ereport(ERROR,
				(errcode(errorcode),
				 errmsg("invalid moments: " INT64_FORMAT " metrics in format version %d", metrics,
						shape),
				 errhint("A state of this version has from %d to %d metrics.", least, most)));
}

/* The shape that a format version stands for. */
static MomentsShape
check_version(int64 version, int errorcode)
{
	if (version != MOMENTS_FULL && version != MOMENTS_DIAGONAL)
		ereport(ERROR,
				(errcode(errorcode),
				 errmsg("invalid moments: unknown format version " INT64_FORMAT, version),
				 errhint("This version of expstat reads versions %d and %d.", MOMENTS_FULL,
						 MOMENTS_DIAGONAL)));
	return (MomentsShape) version;
}

/* Add an arm that a reader found; a second one of the same label is an error. */
static Moments *
add_read_arm(Moments *m, const char *label, int len, Arm **arm, int errorcode)
{
	if (moments_find(m, label, len) >= 0)
		ereport(ERROR,
				(errcode(errorcode),
				 errmsg("invalid moments: variant \"%.*s\" occurs twice", Min(len, ARM_LABEL_MAX),
						label)));
	return moments_add_arm(m, label, len, arm);
}

/* ---- text ---- */

static void malformed(const char *what) pg_attribute_noreturn();

static void
malformed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg("malformed moments: %s", what),
			 errhint("The form is {\"version\": 1, \"metrics\": 1, \"variants\": {\"control\": "
					 "{\"n\": 2, \"mean\": [1.5], \"comoments\": [0.5]}}}, without covariances "
					 "{\"version\": 2, \"metrics\": 2, \"variants\": {\"control\": "
					 "{\"n\": 2, \"mean\": [1.5, 3], \"squares\": [0.5, 2]}}}.")));
}

static JsonbValue *
get_key(JsonbContainer *object, const char *key)
{
	return getKeyJsonValueFromContainer(object, key, strlen(key), NULL);
}

static JsonbContainer *
get_object(JsonbContainer *object, const char *key)
{
	JsonbValue *value = get_key(object, key);

	if (value == NULL || value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		malformed(psprintf("\"%s\" must be an object", key));
	return value->val.binary.data;
}

static int64
get_integer(JsonbContainer *object, const char *key)
{
	JsonbValue *value = get_key(object, key);
	Datum		integer;
	Datum		back;

	if (value == NULL || value->type != jbvNumeric)
		malformed(psprintf("\"%s\" must be an integer", key));
	integer = DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric));
	back = DirectFunctionCall1(int8_numeric, integer);
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, back, NumericGetDatum(value->val.numeric))))
		malformed(psprintf("\"%s\" must be an integer", key));
	return DatumGetInt64(integer);
}

/* Read an array of exactly `count` numbers; an absent optional one is zeros. */
static void
get_numbers(JsonbContainer *object, const char *key, bool optional, double *numbers, int count)
{
	JsonbValue	   *value = get_key(object, key);
	JsonbContainer *array;

	if (value == NULL && optional)
		return;
	if (value == NULL || value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		malformed(psprintf("\"%s\" must be an array", key));

	array = value->val.binary.data;
	if (JsonContainerSize(array) != count)
		malformed(
			psprintf("\"%s\" must have %d elements, not %u", key, count, JsonContainerSize(array)));
	for (int i = 0; i < count; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(array, i);

		if (element->type != jbvNumeric)
			malformed(psprintf("\"%s\" must hold numbers", key));
		numbers[i] = DatumGetFloat8(
			DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(element->val.numeric)));
	}
}

/* Refuse keys we do not know: they are typing errors, or from a later version. */
static void
check_keys(JsonbContainer *object, const char *const *known)
{
	JsonbIterator	  *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue		   value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		const char *const *key = known;

		if (token != WJB_KEY)
			continue;
		while (*key != NULL &&
			   !(strlen(*key) == value.val.string.len &&
				 memcmp(*key, value.val.string.val, value.val.string.len) == 0))
			key++;
		if (*key == NULL)
			malformed(psprintf("unknown key \"%.*s\"", Min(value.val.string.len, 64),
							   value.val.string.val));
	}
}

static Moments *
create_from_json(JsonbContainer *root, MomentsShape shape, int metrics)
{
	JsonbValue *control = get_key(root, "control");
	JsonbValue *weights = get_key(root, "weights");

	if (control != NULL && control->type == jbvString)
		return moments_create(shape, metrics, MOMENTS_CONTROL, control->val.string.val,
							  control->val.string.len);
	if (weights != NULL && weights->type == jbvBinary &&
		JsonContainerIsObject(weights->val.binary.data))
		return moments_create(shape, metrics, MOMENTS_WEIGHTS, weights->val.binary.data,
							  weights->val.binary.len);
	if (control != NULL || weights != NULL)
		malformed("\"control\" must be a string and \"weights\" an object");
	return moments_create(shape, metrics, MOMENTS_NO_CONSTANT, NULL, 0);
}

/* The key of an arm's co-moments in JSON. */
static const char *
comoments_key(const Moments *m)
{
	return m->shape == MOMENTS_DIAGONAL ? "squares" : "comoments";
}

static Moments *
read_json_arm(Moments *m, const JsonbValue *label, JsonbContainer *object)
{
	const char *const known[] = {"n", "mean", "residual", comoments_key(m), NULL};
	int				  k = m->metrics;
	Arm				 *arm;

	check_keys(object, known);
	m = add_read_arm(m, label->val.string.val, label->val.string.len, &arm,
					 ERRCODE_INVALID_TEXT_REPRESENTATION);
	arm->n = get_integer(object, "n");
	get_numbers(object, "mean", false, moments_mean(m, arm), k);
	get_numbers(object, "residual", true, moments_residual(m, arm), k);
	get_numbers(object, comoments_key(m), false, moments_comoments(m, arm),
				comoments_size(m->shape, k));
	check_arm(m, arm, ERRCODE_INVALID_TEXT_REPRESENTATION);
	return m;
}

static Moments *
moments_from_json(JsonbContainer *root)
{
	static const char *const known[] = {"version", "metrics",  "control",
										"weights", "variants", NULL};
	JsonbIterator			*iterator;
	JsonbIteratorToken		 token;
	JsonbValue				 label = {0};
	JsonbValue				 value;
	Moments					*m;
	MomentsShape			 shape;
	int64					 metrics;

	if (!JsonContainerIsObject(root))
		malformed("it must be a JSON object");
	check_keys(root, known);
	shape = check_version(get_integer(root, "version"), ERRCODE_INVALID_TEXT_REPRESENTATION);
	metrics = get_integer(root, "metrics");
	check_metrics(metrics, shape, ERRCODE_INVALID_TEXT_REPRESENTATION);
	m = create_from_json(root, shape, metrics);

	iterator = JsonbIteratorInit(get_object(root, "variants"));
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			label = value;
		if (token != WJB_VALUE)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			malformed("a variant must be an object");
		m = read_json_arm(m, &label, value.val.binary.data);
	}
	return m;
}

static JSON_ACTION
count_field(void *count, char *name, bool isnull)
{
	(*(int64 *) count)++;
	return JSON_GO_ON;
}

/* Keys in a JSON text, those that occur twice counted twice. */
static int64
count_written_keys(char *json)
{
	int64			count = 0;
	JsonLexContext *lex = json_lexer(json, strlen(json));
	JsonSemAction	actions = {0};

	actions.semstate = &count;
	actions.object_field_start = count_field;
	pg_parse_json_or_ereport(lex, &actions);
	return count;
}

static int64
count_keys(JsonbContainer *root)
{
	JsonbIterator	  *iterator = JsonbIteratorInit(root);
	JsonbIteratorToken token;
	JsonbValue		   value;
	int64			   count = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
		count += token == WJB_KEY;
	return count;
}

/*
 * The text form: JSON, read with PostgreSQL's own parser.  jsonb keeps the last
 * of two equal keys; that would lose a variant without a word.
 */
Datum
moments_in(PG_FUNCTION_ARGS)
{
	char		   *text = PG_GETARG_CSTRING(0);
	Datum			json = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	JsonbContainer *root = &DatumGetJsonbP(json)->root;
	Moments		   *m = moments_from_json(root);

	if (count_written_keys(text) != count_keys(root))
		malformed("a variant or another key occurs twice");
	PG_RETURN_POINTER(m);
}

static void
append_numbers(StringInfo buffer, const char *key, const double *numbers, int count)
{
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	appendStringInfo(buffer, ", \"%s\": [", key);
	for (int i = 0; i < count; i++)
	{
		/* Shortest digits that read back as the same float8. */
		double_to_shortest_decimal_buf(numbers[i], digits);
		appendStringInfo(buffer, "%s%s", i > 0 ? ", " : "", digits);
	}
	appendStringInfoChar(buffer, ']');
}

static void
append_label(StringInfo buffer, const char *label, int len)
{
	char *string = pnstrdup(label, len);

	escape_json(buffer, string);
	pfree(string);
}

static void
append_constant(StringInfo buffer, const Moments *m)
{
	if (m->constantkind == MOMENTS_CONTROL)
	{
		appendStringInfoString(buffer, "\"control\": ");
		append_label(buffer, m->data, m->constantsize);
		appendStringInfoString(buffer, ", ");
	}
	if (m->constantkind == MOMENTS_WEIGHTS)
	{
		appendStringInfoString(buffer, "\"weights\": ");
		JsonbToCString(buffer, (JsonbContainer *) m->data, m->constantsize);
		appendStringInfoString(buffer, ", ");
	}
}

/*
 * An arm's residuals as they are written, whole: only the state of a running
 * aggregate, on its way to another node, keeps them in two parts.
 */
static double *
residuals(const Moments *m, const Arm *arm)
{
	double *whole = palloc(m->metrics * sizeof(double));

	for (int i = 0; i < m->metrics; i++)
		whole[i] = moments_residual(m, arm)[i] + moments_residual_low(m, arm)[i];
	return whole;
}

static char *
moments_to_json(const Moments *m)
{
	int			   k = m->metrics;
	StringInfoData buffer;

	initStringInfo(&buffer);
	appendStringInfo(&buffer, "{\"version\": %d, \"metrics\": %d, ", m->shape, k);
	append_constant(&buffer, m);
	appendStringInfoString(&buffer, "\"variants\": {");
	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);

		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoString(&buffer, ", ");
		append_label(&buffer, arm->label, arm_label_length(arm));
		appendStringInfo(&buffer, ": {\"n\": " INT64_FORMAT, arm->n);
		append_numbers(&buffer, "mean", moments_mean(m, arm), k);
		append_numbers(&buffer, "residual", residuals(m, arm), k);
		append_numbers(&buffer, comoments_key(m), moments_comoments(m, arm),
					   comoments_size(m->shape, k));
		appendStringInfoChar(&buffer, '}');
	}
	appendStringInfoString(&buffer, "}}");
	return buffer.data;
}

Datum
moments_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(moments_to_json(PG_GETARG_MOMENTS(0)));
}

Datum
moments_to_jsonb(PG_FUNCTION_ARGS)
{
	char *json = moments_to_json(PG_GETARG_MOMENTS(0));

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

/* ---- binary ----
 *
 * All integers and float8 in network order, texts as a length and bytes:
 *
 *		int8 version, int8 kind of constant, text constant ("" if none),
 *		int16 metrics, int32 arms, then per arm
 *		text label, int64 n, float8 mean[k], residual[k], comoments[k(k+1)/2]
 *
 * or squares[k] in place of the co-moments in a diagonal state.
 */

static void
send_text(StringInfo buffer, const char *text, int len)
{
	send_counted_text(buffer, text, len);
}

static void
send_numbers(StringInfo buffer, const double *numbers, int count)
{
	for (int i = 0; i < count; i++)
		pq_sendfloat8(buffer, numbers[i]);
}

Datum
moments_send(PG_FUNCTION_ARGS)
{
	Moments		  *m = PG_GETARG_MOMENTS(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendint8(&buffer, m->shape);
	pq_sendint8(&buffer, m->constantkind);
	if (m->constantkind == MOMENTS_WEIGHTS)
	{
		char *weights = JsonbToCString(NULL, (JsonbContainer *) m->data, m->constantsize);

		send_text(&buffer, weights, strlen(weights));
	}
	else
		send_text(&buffer, m->data, m->constantsize);
	pq_sendint16(&buffer, m->metrics);
	pq_sendint32(&buffer, m->arms.count);

	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);

		send_text(&buffer, arm->label, arm_label_length(arm));
		pq_sendint64(&buffer, arm->n);
		send_numbers(&buffer, moments_mean(m, arm), m->metrics);
		send_numbers(&buffer, residuals(m, arm), m->metrics);
		send_numbers(&buffer, moments_comoments(m, arm), comoments_size(m->shape, m->metrics));
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

static char *
receive_text(StringInfo buffer, int *len)
{
	int bytes = pq_getmsgint(buffer, 4);

	if (bytes < 0 || bytes > buffer->len - buffer->cursor)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid moments: a text of %d bytes where %d are left", bytes,
						buffer->len - buffer->cursor)));
	return pq_getmsgtext(buffer, bytes, len);
}

static void
receive_numbers(StringInfo buffer, double *numbers, int count)
{
	for (int i = 0; i < count; i++)
		numbers[i] = pq_getmsgfloat8(buffer);
}

static Moments *
receive_header(StringInfo buffer, int *arms)
{
	MomentsShape shape =
		check_version(pq_getmsgbyte(buffer), ERRCODE_INVALID_BINARY_REPRESENTATION);
	int	  kind;
	char *constant;
	int	  constantlen;
	int	  metrics;

	kind = pq_getmsgbyte(buffer);
	constant = receive_text(buffer, &constantlen);
	metrics = pq_getmsgint(buffer, 2);
	check_metrics(metrics, shape, ERRCODE_INVALID_BINARY_REPRESENTATION);
	*arms = pq_getmsgint(buffer, 4);

	if (kind == MOMENTS_NO_CONSTANT && constantlen == 0)
		return moments_create(shape, metrics, MOMENTS_NO_CONSTANT, NULL, 0);
	if (kind == MOMENTS_CONTROL)
		return moments_create(shape, metrics, MOMENTS_CONTROL, constant, constantlen);
	if (kind == MOMENTS_WEIGHTS)
	{
		Datum  json = DirectFunctionCall1(jsonb_in, CStringGetDatum(constant));
		Jsonb *weights = DatumGetJsonbP(json);

		if (JsonContainerIsObject(&weights->root))
			return moments_create(shape, metrics, MOMENTS_WEIGHTS, VARDATA(weights),
								  VARSIZE(weights) - VARHDRSZ);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid moments: bad constant argument of kind %d", kind)));
}

Datum
moments_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int		   arms;
	Moments	  *m = receive_header(buffer, &arms);

	if (arms < 0 || arms > ARMS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid moments: %d variants", arms)));

	for (int i = 0; i < arms; i++)
	{
		int	  len;
		char *label = receive_text(buffer, &len);
		Arm	 *arm;

		m = add_read_arm(m, label, len, &arm, ERRCODE_INVALID_BINARY_REPRESENTATION);
		arm->n = pq_getmsgint64(buffer);
		receive_numbers(buffer, moments_mean(m, arm), m->metrics);
		receive_numbers(buffer, moments_residual(m, arm), m->metrics);
		receive_numbers(buffer, moments_comoments(m, arm), comoments_size(m->shape, m->metrics));
		check_arm(m, arm, ERRCODE_INVALID_BINARY_REPRESENTATION);
		pfree(label);
	}
	PG_RETURN_POINTER(m);
}

/* ---- equality ---- */

Datum
moments_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(moments_equal(PG_GETARG_MOMENTS(0), PG_GETARG_MOMENTS(1)));
}

Datum
moments_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!moments_equal(PG_GETARG_MOMENTS(0), PG_GETARG_MOMENTS(1)));
}

/* Labels and counts are enough to tell states apart in a hash table. */
Datum
moments_hash(PG_FUNCTION_ARGS)
{
	Moments *m = PG_GETARG_MOMENTS(0);
	uint32	 hash = hash_uint32(m->metrics);

	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm *arm = moments_arm(m, i);

		hash = hash_combine(hash,
							hash_bytes((const unsigned char *) arm->label, arm_label_length(arm)));
		hash = hash_combine(hash, hash_bytes((const unsigned char *) &arm->n, sizeof(arm->n)));
	}
	PG_RETURN_UINT32(hash);
}
