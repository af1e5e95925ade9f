-- The queries of an analysis, put together from the definitions: every name is quoted, every value a literal,
-- but for the times up to which they look ($1) and of the first exposure of these units ($2).  They read pg_temp.expstat_units, a row per unit: unit, variant, exposed_at, cohort, s1, s2, … (segments).

-- The metrics that a metric is made of: itself, or its components.
CREATE FUNCTION metric_parts(metric text) RETURNS SETOF metrics
LANGUAGE sql STABLE ROWS 2
BEGIN ATOMIC
	SELECT part.*
	FROM metrics AS k
	CROSS JOIN LATERAL unnest(CASE WHEN k.kind IN ('ratio', 'compound') THEN k.components ELSE ARRAY[k.metric] END)
		 WITH ORDINALITY AS c (metric, place)
	JOIN metrics AS part ON part.metric = c.metric
	WHERE k.metric = metric_parts.metric
	ORDER BY c.place;
END;
COMMENT ON FUNCTION metric_parts(text) IS 'a metric''s components in order; itself, if it has none';

CREATE FUNCTION column_type(relation text, "column" text) RETURNS regtype
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce(nullif(t.typbasetype, 0), t.oid)::regtype
	FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
	WHERE a.attrelid = to_regclass(relation) AND a.attname = "column" AND NOT a.attisdropped;
END;
COMMENT ON FUNCTION column_type(text, text) IS 'a column''s type; of a domain, the type below';

-- Rows r of a relation, each with its unit u; columns of different types are compared as text.
CREATE FUNCTION rows_of_units(relation text, unit_column text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format('FROM pg_temp.expstat_units AS u JOIN %1$s AS r ON r.%2$I%3$s = u.unit%3$s', quoted_relation(relation), unit_column,
				  exposure_key_cast(to_regclass(relation), unit_column, to_regclass('pg_temp.expstat_units'), 'unit'));
END;
COMMENT ON FUNCTION rows_of_units(text, text) IS 'the FROM clause of the rows of a relation that belong to units';

-- A column as a number.
CREATE FUNCTION number_expression(relation text, "column" text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN "column" IS NULL THEN '1::float8'
				WHEN column_type(relation, "column") = 'boolean'::regtype THEN format('r.%I::int::float8', "column")
				ELSE format('r.%I::float8', "column") END;
END;
COMMENT ON FUNCTION number_expression(text, text) IS 'the expression of a column as a number; 1 without a column';

CREATE FUNCTION total_aggregate(k metrics) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE k.kind WHEN 'proportion' THEN 'max' ELSE 'sum' END;
END;
COMMENT ON FUNCTION total_aggregate(metrics) IS 'the aggregate that makes a unit''s value of its events, or of its days';

-- What a unit's events add up to; of a proportion: was there one (a NaN stays one, for the aggregate to refuse)?
-- An event whose value is NULL adds nothing and is no success.
CREATE FUNCTION total_expression(k metrics, "column" text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(CASE k.kind WHEN 'proportion' THEN '%2$s(CASE WHEN %1$s = ''NaN'' THEN ''NaN'' WHEN %1$s <> 0 THEN 1::float8 ELSE 0 END)'
							  ELSE '%2$s(%1$s)' END,
				  number_expression(k.relation, "column"), total_aggregate(k));
END;
COMMENT ON FUNCTION total_expression(metrics, text) IS 'the expression of a unit''s value';

-- A metric whose time is a date is compared with the days of exposures.
CREATE FUNCTION day_cast(k metrics) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN column_type(k.relation, k.time_column) = 'date'::regtype THEN '::date' ELSE '' END;
END;
COMMENT ON FUNCTION day_cast(metrics) IS 'the cast that makes a time comparable with a metric''s time_column';

CREATE FUNCTION is_clipped(k metrics) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT k.winsor_low IS NOT NULL OR k.winsor_high IS NOT NULL;
END;
COMMENT ON FUNCTION is_clipped(metrics) IS 'is a metric itself winsorised?';

-- From a unit's exposure until its window is over, or the analysis looks no further.  A date is the whole day.
-- That nothing before the first exposure of these units counts follows, but spares indexes and partitions.
CREATE FUNCTION after_exposure(k metrics) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(' AND r.%1$I >= u.exposed_at%2$s AND r.%1$I >= $2%2$s AND r.%1$I::timestamptz < %3$s', k.time_column,
				  day_cast(k),
				  CASE WHEN k.metric_window IS NULL THEN '$1'
					   ELSE format('least(u.exposed_at + %L::interval, $1)', k.metric_window) END)
	WHERE k.time_column IS NOT NULL;
END;
COMMENT ON FUNCTION after_exposure(metrics) IS 'the condition that an event is one after its unit''s exposure';

-- NULL if the relation has but one metric.
CREATE FUNCTION of_metric(k metrics) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(' AND r.%I::text = %L', k.metric_column, k.metric) WHERE k.metric_column IS NOT NULL;
END;
COMMENT ON FUNCTION of_metric(metrics) IS 'the condition that a row is one of the metric';

CREATE FUNCTION has_covariate(k metrics) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT k.covariate_window IS NOT NULL OR k.covariate_column IS NOT NULL;
END;
COMMENT ON FUNCTION has_covariate(metrics) IS 'has a metric itself a covariate?';

-- which_units is a condition on u.
CREATE FUNCTION unit_values(k metrics, which_units text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format('SELECT u.unit, %s AS y %s WHERE %s%s GROUP BY u.unit', total_expression(k, k.value_column),
				  rows_of_units(k.relation, k.unit_column), which_units, concat(of_metric(k), after_exposure(k)));
END;
COMMENT ON FUNCTION unit_values(metrics, text) IS 'the query of a metric''s value of each unit of a condition that has events';

-- NULL without one.  A month before noon of 30 March is later than a month before 31 March (so is a day before, where clocks
-- change), but by less than two days.
CREATE FUNCTION unit_covariates(k metrics, which_units text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE
		WHEN k.covariate_window IS NOT NULL THEN
			format('SELECT u.unit, %1$s AS x %2$s WHERE %7$s AND r.%3$I < u.exposed_at%4$s '
				   'AND r.%3$I >= (u.exposed_at - %5$L::interval)%4$s AND r.%3$I >= ($2 - %5$L::interval - interval ''2 days'')%4$s%6$s '
				   'GROUP BY u.unit',
				   total_expression(k, coalesce(k.covariate_column, k.value_column)),
				   rows_of_units(k.relation, k.unit_column), k.time_column,
				   day_cast(k),
				   k.covariate_window, of_metric(k), which_units)
		WHEN k.covariate_column IS NOT NULL THEN
			format('SELECT u.unit, sum(%s) AS x %s WHERE %s%s GROUP BY u.unit',
				   number_expression(coalesce(k.covariate_relation, k.relation), k.covariate_column),
				   rows_of_units(coalesce(k.covariate_relation, k.relation), k.unit_column),
				   which_units,
				   CASE WHEN coalesce(k.covariate_relation, k.relation) = k.relation THEN of_metric(k) END) END;
END;
COMMENT ON FUNCTION unit_covariates(metrics, text) IS 'the query of a covariate''s value of each unit of a condition that has one';

-- All units of a condition with covariates x1, x2, … (of a window: 0 without events; of a relation: NULL without a row).  A unit's
-- row stands for it where units are sorted: its id may be of any type.
CREATE FUNCTION units_with_covariates(metric text, which_units text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format('SELECT u.*, u.ctid AS unit_row%s FROM pg_temp.expstat_units AS u%s WHERE %s',
				  string_agg(format(CASE WHEN p.covariate_window IS NULL THEN ', c%1$s.x AS x%1$s' ELSE ', coalesce(c%1$s.x, 0) AS x%1$s' END, p.i),
							 '' ORDER BY p.i) FILTER (WHERE p.query IS NOT NULL),
				  string_agg(format(' LEFT JOIN (%2$s) AS c%1$s ON c%1$s.unit = u.unit', p.i, p.query), '' ORDER BY p.i)
				  FILTER (WHERE p.query IS NOT NULL),
				  which_units)
	FROM (SELECT row_number() OVER () AS i, unit_covariates(k, which_units) AS query, k.covariate_window FROM metric_parts(metric) AS k) AS p;
END;
COMMENT ON FUNCTION units_with_covariates(text, text) IS 'the query of all units of a condition with a metric''s covariates';

-- All units of a condition exposed so far with a metric's values y1, y2, … (0 without events) and covariates.
CREATE FUNCTION units_with_values(metric text, which_units text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format('SELECT u.*%s FROM (%s) AS u%s WHERE u.exposed_at < $1',
				  string_agg(format(', coalesce(v%1$s.y, 0) AS y%1$s', p.i), '' ORDER BY p.i), units_with_covariates(metric, which_units),
				  string_agg(format(' LEFT JOIN (%2$s) AS v%1$s ON v%1$s.unit = u.unit', p.i, p.query), '' ORDER BY p.i))
	FROM (SELECT row_number() OVER () AS i, unit_values(k, which_units) AS query FROM metric_parts(metric) AS k) AS p;
END;
COMMENT ON FUNCTION units_with_values(text, text) IS 'the query of all units of a condition with a metric''s values';

-- The rows of a query of units, with values beyond the percentiles of all of them set to these.
CREATE FUNCTION winsorized_units(metric text, units_query text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN bool_or(p.clipped) THEN
		format('WITH v AS MATERIALIZED (%s) SELECT u.*%s FROM v AS u%s', units_query,
			   string_agg(CASE WHEN p.clipped THEN
							format(', %2$s.winsorize(u.y%1$s, b%1$s.low, b%1$s.high) AS z%1$s', p.i, exposure_schema())
							ELSE format(', u.y%1$s AS z%1$s', p.i) END, '' ORDER BY p.i),
			   string_agg(CASE WHEN p.clipped THEN
							format(' CROSS JOIN (SELECT (%2$s.winsor_bounds(%3$s::float8, %4$s::float8) WITHIN GROUP (ORDER BY y%1$s)).* FROM v) AS b%1$s',
								   p.i, exposure_schema(), quote_nullable(p.winsor_low), quote_nullable(p.winsor_high)) ELSE '' END, '' ORDER BY p.i))
	ELSE units_query END
	FROM (SELECT row_number() OVER () AS i, k.winsor_low, k.winsor_high, is_clipped(k) AS clipped
		  FROM metric_parts(metric) AS k) AS p;
END;
COMMENT ON FUNCTION winsorized_units(text, text) IS 'a query of units with a metric''s values, winsorised where it is registered';

CREATE FUNCTION is_winsorized(metric text) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce(bool_or(is_clipped(k)), false) FROM metric_parts(metric) AS k;
END;
COMMENT ON FUNCTION is_winsorized(text) IS 'do a metric''s values depend on those of all units?';

CREATE FUNCTION is_adjusted(metric text) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT coalesce(bool_and(has_covariate(k)), false) FROM metric_parts(metric) AS k;
END;
COMMENT ON FUNCTION is_adjusted(text) IS 'has a metric covariates?  If it has components, all must have one.';

-- What moments_agg is called with: the value (of a ratio: two), then the covariate, then whether it is missing,
-- where it can be.  cuped_ratio() wants its covariates alone.
CREATE FUNCTION state_expression(metric text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN k.kind <> 'ratio' AND NOT is_adjusted(k.metric) THEN p.y
				ELSE format('ARRAY[%s]::float8[]', concat_ws(', ',
					CASE WHEN k.kind = 'ratio' THEN p.ys ELSE p.y END,
					CASE WHEN NOT is_adjusted(k.metric) THEN NULL
						 WHEN k.kind = 'ratio' THEN p.xs
						 ELSE concat_ws(', ', p.x, '(' || p.missing || ')::int') END)) END
	FROM metrics AS k
	CROSS JOIN LATERAL (
		SELECT string_agg(q.y, ', ' ORDER BY q.i) AS ys,
			   string_agg(q.weight || q.y, ' + ' ORDER BY q.i) AS y,
			   string_agg(format('coalesce(x%s, 0)', q.i), ', ' ORDER BY q.i) AS xs,
			   string_agg(format('%scoalesce(x%s, 0)', q.weight, q.i), ' + ' ORDER BY q.i) AS x,
			   string_agg(format('x%s IS NULL', q.i), ' OR ' ORDER BY q.i) FILTER (WHERE q.covariate_window IS NULL) AS missing
		FROM (SELECT row_number() OVER () AS i, part.covariate_window,
					 CASE k.kind WHEN 'compound' THEN format('%L::float8 * ', k.component_weights[row_number() OVER ()])
								 ELSE '' END AS weight,
					 CASE WHEN is_winsorized(k.metric) THEN 'z' ELSE 'y' END || row_number() OVER () AS y
			  FROM metric_parts(k.metric) AS part) AS q) AS p
	WHERE k.metric = state_expression.metric;
END;
COMMENT ON FUNCTION state_expression(text) IS 'the argument of moments_agg for a metric';

-- Name and value of the segment of a row of GROUPING SETS over the columns s1, s2, …
CREATE FUNCTION segment_columns(segments text[]) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE WHEN count(*) = 0 THEN 'NULL::text AS segment, NULL::text AS value'
		ELSE format('CASE %s END AS segment, CASE %s END AS value',
					string_agg(format('WHEN GROUPING(u.s%s) = 0 THEN %L', s.i, s.name), ' ' ORDER BY s.i),
					string_agg(format('WHEN GROUPING(u.s%1$s) = 0 THEN u.s%1$s', s.i), ' ' ORDER BY s.i)) END
	FROM unnest(segments) WITH ORDINALITY AS s (name, i);
END;
COMMENT ON FUNCTION segment_columns(text[]) IS 'the columns segment and value of a query over all segments';

-- moments by cohort, in all and by each segment; $3 are the cohorts.
CREATE FUNCTION cohort_query(metric text, segments text[]) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(
		'SELECT u.cohort, %s, %s.moments_agg(%s, u.variant) AS m FROM (%s) AS u GROUP BY GROUPING SETS ((u.cohort)%s)',
		segment_columns(segments),
		exposure_schema(), state_expression(metric), winsorized_units(metric, units_with_values(metric, 'u.cohort = ANY ($3)')),
		coalesce(string_agg(format(', (u.cohort, u.s%s)', s.i), '' ORDER BY s.i), ''))
	FROM unnest(segments) WITH ORDINALITY AS s (name, i);
END;
COMMENT ON FUNCTION cohort_query(text, text[]) IS 'the query of a metric''s states by cohort and segment';

-- Quantiles of events, whose units are clusters: one treatment against the control.
CREATE FUNCTION quantile_query(k metrics, segments text[], control text, treatment text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format(
		'SELECT %s, %s.quantile_compare(%L::float8, %L::text) WITHIN GROUP (ORDER BY %s, u.variant, u.unit::text) AS result '
		'%s WHERE u.variant IN (%L, %L)%s GROUP BY GROUPING SETS (()%s)',
		segment_columns(segments),
		exposure_schema(), k.quantile, control, number_expression(k.relation, k.value_column),
		rows_of_units(k.relation, k.unit_column), control, treatment, concat(of_metric(k), after_exposure(k)),
		coalesce(string_agg(format(', (u.s%s)', s.i), '' ORDER BY s.i), ''))
	FROM unnest(segments) WITH ORDINALITY AS s (name, i);
END;
COMMENT ON FUNCTION quantile_query(metrics, text[], text, text) IS
'the query of a quantile''s comparison in all and by segment';

-- The timeline reads the events once.  A unit's values are the same over a spell of days, until the next day with events;
-- days have numbers from 1, and end at the times $3.

-- When values change: at a unit's exposure (that row has what never changes, too), and by the events of a day, of each part.
CREATE FUNCTION value_changes(metric text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format('SELECT u.unit_row, width_bucket(u.exposed_at, $3) + 1 AS day, u.variant%s%s FROM (%s) AS u WHERE u.exposed_at < $1%s',
				  string_agg(', u.x' || p.i, '' ORDER BY p.i) FILTER (WHERE p.has_covariate),
				  string_agg(', NULL::float8 AS y' || p.i, '' ORDER BY p.i),
				  units_with_covariates(metric, 'true'),
				  string_agg(format(' UNION ALL SELECT u.ctid, width_bucket(%s, $3) + 1, NULL%s%s %s%s GROUP BY 1, 2',
									CASE WHEN (p.k).time_column IS NULL THEN 'u.exposed_at' ELSE format('r.%I::timestamptz', (p.k).time_column) END,
									repeat(', NULL', p.covariates::integer),
									repeat(', NULL', p.i::integer - 1) || ', ' || total_expression(p.k, (p.k).value_column)
									|| repeat(', NULL', (p.parts - p.i)::integer),
									rows_of_units((p.k).relation, (p.k).unit_column),
									concat(' WHERE u.exposed_at < $1', of_metric(p.k), after_exposure(p.k))), '' ORDER BY p.i))
	FROM (SELECT row_number() OVER () AS i, count(*) OVER () AS parts, k, has_covariate(k) AS has_covariate,
				 count(*) FILTER (WHERE has_covariate(k)) OVER () AS covariates
		  FROM metric_parts(metric) AS k) AS p;
END;
COMMENT ON FUNCTION value_changes(text) IS 'the query of the days on which units'' values change';

-- Of several changes on a day the last row has them all, and a spell that is not empty.
CREATE FUNCTION unit_spells(metric text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT format('SELECT s.* FROM (SELECT c.day AS first_day, coalesce(lead(c.day) OVER w - 1, cardinality($3)) AS last_day, '
				  'max(c.variant) OVER w AS variant%s%s FROM (%s) AS c WINDOW w AS (PARTITION BY c.unit_row ORDER BY c.day)) AS s '
				  'WHERE s.first_day <= s.last_day',
				  string_agg(format(', max(c.x%1$s) OVER w AS x%1$s', p.i), '' ORDER BY p.i) FILTER (WHERE p.has_covariate),
				  string_agg(format(', coalesce(%2$s(c.y%1$s) OVER w, 0) AS y%1$s', p.i, p.aggregate), '' ORDER BY p.i),
				  value_changes(metric))
	FROM (SELECT row_number() OVER () AS i, total_aggregate(k) AS aggregate, has_covariate(k) AS has_covariate
		  FROM metric_parts(metric) AS k) AS p;
END;
COMMENT ON FUNCTION unit_spells(text) IS 'the query of the spells of days over which a unit''s values stay the same';

-- moments of the days $4.  Each spell is aggregated once, with those of the same days; of these groups, those with the same end are
-- merged from beginning to beginning, so that of each end a day has one.  Winsorising needs a day's units together.
CREATE FUNCTION timeline_query(metric text) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN is_winsorized(metric) THEN
		format('WITH spells AS MATERIALIZED (%s) SELECT d.day, q.m FROM unnest($4) WITH ORDINALITY AS d (day, i) '
			   'CROSS JOIN LATERAL (SELECT %s.moments_agg(%s, u.variant) AS m FROM (%s) AS u) AS q',
			   unit_spells(metric), exposure_schema(), state_expression(metric),
			   winsorized_units(metric, 'SELECT * FROM spells AS s WHERE d.i BETWEEN s.first_day AND s.last_day'))
	ELSE
		format('SELECT d.day, %1$s.moments_agg(s.m ORDER BY s.until) AS m '
			   'FROM (SELECT g.last_day AS until, g.first_day, coalesce(lead(g.first_day) OVER w - 1, g.last_day) AS last_day, '
			   '%1$s.moments_agg(g.m) OVER w AS m '
			   'FROM (SELECT u.first_day, u.last_day, %1$s.moments_agg(%2$s, u.variant) AS m FROM (%3$s) AS u GROUP BY u.first_day, u.last_day) AS g '
			   'WINDOW w AS (PARTITION BY g.last_day ORDER BY g.first_day)) AS s '
			   'CROSS JOIN LATERAL unnest($4[s.first_day:s.last_day]) AS d (day) GROUP BY d.day',
			   exposure_schema(), state_expression(metric), unit_spells(metric)) END;
END;
COMMENT ON FUNCTION timeline_query(text) IS 'the query of a metric''s states at the ends of days';
