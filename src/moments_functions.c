/*
 * moments_functions.c
 *		Merging two states, looking at a state and taking parts of it.
 */
#include "moments_fmgr.h"

#include <math.h>

#include "arguments.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(moments_merge_pair);
PG_FUNCTION_INFO_V1(moments_project);
PG_FUNCTION_INFO_V1(moments_select);
PG_FUNCTION_INFO_V1(moments_filter);
PG_FUNCTION_INFO_V1(moments_relabel);
PG_FUNCTION_INFO_V1(moments_summary);
PG_FUNCTION_INFO_V1(moments_covariance);
PG_FUNCTION_INFO_V1(moments_diagonal);

/*
 * moments_merge(m moments, other moments): what moments_agg() makes of these
 * two.  NULL is a state without units, so that an upsert need not ask.
 */
Datum
moments_merge_pair(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_POINTER(moments_finish(PG_GETARG_MOMENTS(PG_ARGISNULL(0) ? 1 : 0)));

	PG_RETURN_POINTER(
		moments_finish(moments_merge(PG_GETARG_MOMENTS_COPY(0), PG_GETARG_MOMENTS(1))));
}

/* moments_project(m moments, weights float8[]) */
Datum
moments_project(PG_FUNCTION_ARGS)
{
	Moments *m = PG_GETARG_MOMENTS(0);
	int		 count;
	double	*weights =
		array_elements(PG_GETARG_ARRAYTYPE_P(1), "weights", MOMENTS_DIAGONAL_MAX, &count);

	if (count != m->metrics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weights has %d elements for a state of %d metrics", count, m->metrics),
				 errhint("Give one weight per metric, 0 for those that do not count.")));
	for (int i = 0; i < count; i++)
	{
		if (!isfinite(weights[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("weights[%d] must be a finite number, not %g", i + 1, weights[i])));
	}
	PG_RETURN_POINTER(moments_project_metrics(m, weights));
}

/* moments_select(m moments, dims int[]): metrics by 1-based position */
Datum
moments_select(PG_FUNCTION_ARGS)
{
	Moments *m = PG_GETARG_MOMENTS(0);
	int		 count;
	int		 most = m->shape == MOMENTS_DIAGONAL ? MOMENTS_DIAGONAL_MAX : MOMENTS_METRICS_MAX;
	int32	*dims = array_elements(PG_GETARG_ARRAYTYPE_P(1), "dims", most, &count);
	int		 metrics[MOMENTS_DIAGONAL_MAX];

	for (int i = 0; i < count; i++)
		metrics[i] = metric_position(dims[i], m->metrics, "an element of dims");
	PG_RETURN_POINTER(moments_select_metrics(m, metrics, count));
}

/* moments_filter(m moments, variants text[]); a label that does not occur is no error */
Datum
moments_filter(PG_FUNCTION_ARGS)
{
	Moments	  *m = PG_GETARG_MOMENTS(0);
	ArrayType *variants = PG_GETARG_ARRAYTYPE_P(1);
	Datum	  *labels;
	bool	  *nulls;
	int		   count;
	bool	   keep[ARMS_MAX] = {0};

	deconstruct_array(variants, TEXTOID, -1, false, TYPALIGN_INT, &labels, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text *label;
		int	  position;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("variants must not contain nulls")));
		label = DatumGetTextPP(labels[i]);
		position = moments_find(m, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
		if (position >= 0)
			keep[position] = true;
	}
	PG_RETURN_POINTER(moments_keep_arms(m, keep));
}

/* moments_relabel(m moments, labels jsonb): new labels under the old ones */
Datum
moments_relabel(PG_FUNCTION_ARGS)
{
	Moments		   *m = PG_GETARG_MOMENTS(0);
	JsonbContainer *object = &PG_GETARG_JSONB_P(1)->root;
	const char	   *labels[ARMS_MAX];
	int				lengths[ARMS_MAX];

	if (!JsonContainerIsObject(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("labels must be a JSON object of a new label per variant"),
				 errhint("For example {\"A\": \"treatment\", \"B\": \"treatment\"}.")));
	for (int i = 0; i < m->arms.count; i++)
	{
		const Arm  *arm = moments_arm(m, i);
		JsonbValue *label =
			getKeyJsonValueFromContainer(object, arm->label, arm_label_length(arm), NULL);

		labels[i] = arm->label;
		lengths[i] = arm_label_length(arm);
		if (label == NULL)
			continue;
		if (label->type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the new label of \"%.*s\" must be a string", arm_label_length(arm),
							arm->label)));
		labels[i] = label->val.string.val;
		lengths[i] = label->val.string.len;
	}
	PG_RETURN_POINTER(moments_relabel_arms(m, labels, lengths));
}

/* moments_diagonal(m moments): the state without its covariances */
Datum
moments_diagonal(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(moments_drop_covariances(PG_GETARG_MOMENTS(0)));
}

/* moments_summary(m moments): a row per variant and metric */
Datum
moments_summary(PG_FUNCTION_ARGS)
{
	Moments		  *m = PG_GETARG_MOMENTS(0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int a = 0; a < m->arms.count; a++)
	{
		const Arm *arm = moments_arm(m, a);
		Datum label = PointerGetDatum(cstring_to_text_with_len(arm->label, arm_label_length(arm)));

		for (int i = 0; i < m->metrics; i++)
		{
			double variance = arm->n < 2 ? NAN : moments_squares(m, arm, i) / (double) (arm->n - 1);
			bool   nulls[5] = {false, false, false, false, isnan(variance)};
			Datum  values[5];

			values[0] = label;
			values[1] = Int64GetDatum(arm->n);
			values[2] = Int32GetDatum(i + 1);
			values[3] = Float8GetDatum(moments_mean(m, arm)[i]);
			values[4] = Float8GetDatum(variance);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* moments_covariance(m moments, variant text): the sample covariance matrix */
Datum
moments_covariance(PG_FUNCTION_ARGS)
{
	Moments *m = PG_GETARG_MOMENTS(0);
	text	*variant = PG_GETARG_TEXT_PP(1);
	int		 position = moments_find(m, VARDATA_ANY(variant), VARSIZE_ANY_EXHDR(variant));
	int		 k = m->metrics;
	int		 dims[2] = {k, k};
	int		 bounds[2] = {1, 1};
	Arm		*arm;
	Datum	*elements;

	moments_need_covariances(m);
	if (position < 0 || moments_arm(m, position)->n < 2)
		PG_RETURN_NULL();

	arm = moments_arm(m, position);
	elements = palloc(k * k * sizeof(Datum));
	for (int i = 0; i < k; i++)
	{
		for (int j = 0; j < k; j++)
			elements[i * k + j] = Float8GetDatum(moments_comoments(m, arm)[packed_index(i, j)] /
												 (double) (arm->n - 1));
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, NULL, 2, dims, bounds, FLOAT8OID,
											 sizeof(double), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
