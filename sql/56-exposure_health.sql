-- What is wrong with an exposure log: from one row per unit to a few cells that all checks are made of.

CREATE TYPE exposure_cells_result AS (
	kind text,
	segment text,
	value text,
	class text,
	variant text,
	crossover boolean,
	units bigint,
	exposures bigint,
	exposures_squared float8,
	logged bigint,
	null_variants bigint,
	null_times bigint,
	outside bigint,
	mismatched bigint,
	uncovered bigint,
	unassigned bigint,
	reassigned bigint
);
COMMENT ON TYPE exposure_cells_result IS
'units of an exposure log, counted: kind is total, day or segment, class exposed, no_variant, not_counted, null_unit or not_exposed';

-- The join of the units u with those that were assigned, which gives NULL if these are not known.
CREATE FUNCTION exposure_assigned_join(
	assignments regclass, assigned_unit text, assigned_variant text, exposures regclass, unit text
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN assignments IS NULL THEN
		'CROSS JOIN (SELECT NULL::text AS low, NULL::text AS high) AS a'
	ELSE format(
		'FULL JOIN (SELECT a.%2$s%4$s AS unit, min(a.%3$s::text COLLATE "C") AS low, '
		'max(a.%3$s::text COLLATE "C") AS high FROM %1$s AS a '
		'WHERE a.%2$s IS NOT NULL AND a.%3$s IS NOT NULL GROUP BY 1) AS a ON a.unit = u.unit%4$s',
		exposure_relation(assignments, 'assignments'),
		exposure_column(assignments, assigned_unit, 'assigned_unit', false),
		exposure_column(assignments, assigned_variant, 'assigned_variant', false),
		exposure_key_cast(assignments, assigned_unit, exposures, unit)) END;
END;
COMMENT ON FUNCTION exposure_assigned_join(regclass, text, text, regclass, text) IS
'the join of the units with those that were assigned';

-- The planner cannot know how few cells there are, and would rather sort a row per unit.
CREATE FUNCTION exposure_hashed_rows(query text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET enable_sort = off AS $$
BEGIN
	RETURN QUERY EXECUTE query;
END
$$;
COMMENT ON FUNCTION exposure_hashed_rows(text) IS
'the rows of a query, with the caller''s rights, by hashing rather than sorting';

CREATE FUNCTION exposure_cells(
	exposures regclass, unit text, variant text, exposed_at text,
	starts timestamptz, ends timestamptz, segments text[],
	assignment text DEFAULT NULL, assigned_join text DEFAULT exposure_assigned_join(NULL, NULL, NULL, NULL, NULL)
) RETURNS SETOF exposure_cells_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_hashed_rows(format(
		'WITH counted AS MATERIALIZED ('
		'SELECT x.class, x.variant, x.crossover, x.day, x.segments, count(*) AS units, '
		'sum(x.exposures)::bigint AS exposures, sum(x.exposures::float8 * x.exposures::float8) AS squares, '
		'sum(x.logged)::bigint AS logged, sum(x.logged - x.with_variant)::bigint AS null_variants, '
		'sum(x.logged - x.with_time)::bigint AS null_times, sum(x.outside)::bigint AS outside, '
		'count(*) FILTER (WHERE x.assigned IS DISTINCT FROM x.variant) AS mismatched, '
		'count(*) FILTER (WHERE x.assigned IS NULL) AS uncovered, '
		'count(*) FILTER (WHERE x.low IS NULL) AS unassigned, '
		'count(*) FILTER (WHERE x.variant NOT IN (x.low, x.high)) AS reassigned '
		'FROM (SELECT CASE WHEN u.logged IS NULL THEN ''not_exposed'' WHEN u.unit IS NULL THEN ''null_unit'' '
		'WHEN (u.first).exposures IS NOT NULL THEN ''exposed'' WHEN u.with_variant = 0 THEN ''no_variant'' '
		'ELSE ''not_counted'' END AS class, '
		'(u.first).variant, (u.first).crossover, (u.first).exposed_at::date AS day, (u.first).segments, '
		'(u.first).exposures, u.logged, u.with_variant, u.with_time, u.outside, '
		'%2$s AS assigned, a.low, a.high FROM (%1$s) AS u %3$s OFFSET 0) AS x GROUP BY 1, 2, 3, 4, 5) %4$s',
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, segments),
		coalesce(assignment, 'NULL::text'), assigned_join,
		(SELECT string_agg(format(
			'SELECT %1$L::text, %2$L::text, %3$s, class, variant, crossover, sum(units)::bigint, '
			'sum(exposures)::bigint, sum(squares), sum(logged)::bigint, sum(null_variants)::bigint, '
			'sum(null_times)::bigint, sum(outside)::bigint, sum(mismatched)::bigint, sum(uncovered)::bigint, '
			'sum(unassigned)::bigint, sum(reassigned)::bigint FROM counted%4$s GROUP BY 3, 4, 5, 6',
			k.kind, k.segment, k.value,
			CASE WHEN k.kind <> 'total' THEN ' WHERE class = ''exposed''' END), ' UNION ALL ')
		 FROM (SELECT 'total' AS kind, NULL AS segment, 'NULL::text' AS value
			   UNION ALL SELECT 'day', NULL, 'day::text'
			   UNION ALL SELECT 'segment', s.name, format('segments[%s]', s.i)
			   FROM unnest(segments) WITH ORDINALITY AS s (name, i)) AS k)))
		AS r (kind text, segment text, value text, class text, variant text, crossover boolean,
			  units bigint, exposures bigint, exposures_squared float8, logged bigint,
			  null_variants bigint, null_times bigint, outside bigint, mismatched bigint,
			  uncovered bigint, unassigned bigint, reassigned bigint);
END;
COMMENT ON FUNCTION exposure_cells(regclass, text, text, text, timestamptz, timestamptz, text[], text, text) IS
'what all checks of an exposure log are made of, from one pass over it';

-- Sample ratio mismatch by the cells: in all, by day, by segment.

CREATE TYPE exposure_srm_result AS (
	kind text,
	segment text,
	value text,
	n bigint,
	observed bigint[],
	expected float8[],
	chi2 float8,
	p_value float8,
	p_adjusted float8,
	p_value_rest float8
);
COMMENT ON TYPE exposure_srm_result IS 'sample ratio mismatch among the units of a cell, and among all others';

CREATE FUNCTION exposure_weights(variants text[], weights float8[]) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(weights, array_fill(1::float8, ARRAY[coalesce(cardinality(variants), 0)]));
END;
COMMENT ON FUNCTION exposure_weights(text[], float8[]) IS 'the weights, equal by default';

-- Where a variant is expected to have fewer than 20 units, chi-square is no test at the levels used
-- here: a day or segment as thin as that has no p-value.
CREATE FUNCTION exposure_srm(
	cells exposure_cells_result[], variants text[], weights float8[], crossovers text
) RETURNS SETOF exposure_srm_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH counts AS (
		SELECT c.kind, c.segment, c.value, v.i,
			   coalesce(sum(c.units) FILTER (WHERE c.variant = v.label), 0)::bigint AS units
		FROM unnest(cells) AS c, unnest(variants) WITH ORDINALITY AS v (label, i)
		WHERE c.class = 'exposed' AND (crossovers = 'keep_first' OR NOT c.crossover)
		GROUP BY c.kind, c.segment, c.value, v.i
	), split AS (
		SELECT c.kind, c.segment, c.value, array_agg(c.units ORDER BY c.i) AS observed,
			   array_agg(c.total - c.units ORDER BY c.i) AS rest
		FROM (SELECT u.*, max(u.units) FILTER (WHERE u.kind = 'total') OVER (PARTITION BY u.i) AS total
			  FROM counts AS u) AS c
		GROUP BY c.kind, c.segment, c.value
	), tests AS (
		SELECT g.kind, g.segment, g.value, s.n, s.observed, s.expected, s.chi2,
			   CASE WHEN g.kind = 'total' OR (SELECT min(e) FROM unnest(s.expected) AS e) >= 20
					THEN s.p_value END AS p_value,
			   r.p_value AS p_value_rest
		FROM split AS g,
			 srm(g.observed, exposure_weights(variants, weights)) AS s,
			 srm(g.rest, exposure_weights(variants, weights)) AS r
	)
	SELECT t.kind, t.segment, t.value, t.n, t.observed, t.expected, t.chi2, t.p_value,
		   p_adjust(t.p_value, 'holm') OVER (PARTITION BY t.kind), t.p_value_rest
	FROM tests AS t;
END;
COMMENT ON FUNCTION exposure_srm(exposure_cells_result[], text[], float8[], text) IS
'sample ratio mismatch in all, by day and by segment, from the cells of an exposure log';

CREATE TYPE srm_by_day_result AS (
	day date,
	n bigint,
	observed bigint[],
	expected float8[],
	chi2 float8,
	p_value float8,
	p_adjusted float8,
	n_so_far bigint,
	observed_so_far bigint[],
	p_sequential float8
);
COMMENT ON TYPE srm_by_day_result IS 'sample ratio mismatch among the units first exposed on a day, and up to it';

CREATE FUNCTION srm_by_day(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	variants text[],
	weights float8[] DEFAULT NULL,
	crossovers text DEFAULT 'drop',
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF srm_by_day_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT d.day, d.n, d.observed, d.expected, d.chi2, d.p_value, d.p_adjusted,
		   (d.so_far).n, (d.so_far).observed, (d.so_far).p_value
	FROM (SELECT s.value::date AS day, s.n, s.observed, s.expected, s.chi2, s.p_value, s.p_adjusted,
				 srm_sequential_agg(s.observed, exposure_weights(variants, weights))
				 OVER (ORDER BY s.value::date) AS so_far
		  FROM (SELECT exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first') AS policy,
					   exposure_assignment(NULL, variants, weights, 1, NULL) AS checked OFFSET 0) AS a,
			   LATERAL (SELECT array_agg(c) AS cells
						FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, NULL,
											a.checked) AS c) AS c,
			   exposure_srm(c.cells, variants, weights, a.policy) AS s
		  WHERE s.kind = 'day') AS d
	ORDER BY d.day;
END;
COMMENT ON FUNCTION srm_by_day(regclass, text, text, text, text[], float8[], text, timestamptz, timestamptz) IS
'sample ratio mismatch by the day of first exposure, and sequentially up to each day';

CREATE TYPE srm_by_segment_result AS (
	segment text,
	value text,
	n bigint,
	observed bigint[],
	expected float8[],
	chi2 float8,
	p_value float8,
	p_adjusted float8,
	p_value_rest float8,
	driver boolean
);
COMMENT ON TYPE srm_by_segment_result IS
'sample ratio mismatch among the units of a segment, and among all others; a driver is a mismatch confined to it';

CREATE FUNCTION srm_by_segment(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	segments text[],
	variants text[],
	weights float8[] DEFAULT NULL,
	crossovers text DEFAULT 'drop',
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL,
	alpha float8 DEFAULT 0.001
) RETURNS SETOF srm_by_segment_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT s.segment, s.value, s.n, s.observed, s.expected, s.chi2, s.p_value, s.p_adjusted,
		   s.p_value_rest, coalesce(s.p_adjusted < a.level AND s.p_value_rest >= a.level, false)
	FROM (SELECT exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first') AS policy,
				 exposure_share(alpha, 'alpha', true) AS level,
				 exposure_assignment(NULL, variants, weights, 1, NULL) AS checked OFFSET 0) AS a,
		 LATERAL (SELECT array_agg(c) AS cells
				  FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, segments,
									  a.checked) AS c) AS c,
		 exposure_srm(c.cells, variants, weights, a.policy) AS s
	WHERE s.kind = 'segment'
	ORDER BY s.p_value, s.segment, s.value;
END;
COMMENT ON FUNCTION srm_by_segment(regclass, text, text, text, text[], text[], float8[], text, timestamptz, timestamptz, float8) IS
'sample ratio mismatch by segments at first exposure, and which segment drives it';

-- Exposures per unit by segment: a client that fires always shows as a segment with many more.

CREATE TYPE exposure_duplicates_result AS (
	segment text,
	value text,
	units bigint,
	exposures bigint,
	per_unit float8,
	per_unit_rest float8,
	ratio float8,
	always_fire boolean
);
COMMENT ON TYPE exposure_duplicates_result IS
'exposures per unit of a segment, and of all other units; always_fire if it has 3 times as many, and that is no chance';

CREATE FUNCTION exposure_rates(cells exposure_cells_result[]) RETURNS SETOF exposure_duplicates_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH inside AS (
		SELECT c.segment, c.value, sum(c.units)::float8 AS n, sum(c.exposures)::float8 AS s,
			   sum(c.exposures_squared) AS q
		FROM unnest(cells) AS c
		WHERE c.kind = 'segment' AND c.class = 'exposed'
		GROUP BY c.segment, c.value
	), rest AS (
		SELECT i.*, sum(i.n) OVER w - i.n AS rn, sum(i.s) OVER w - i.s AS rs, sum(i.q) OVER w - i.q AS rq
		FROM inside AS i
		WINDOW w AS (PARTITION BY i.segment)
	), means AS (
		SELECT r.*, r.s / r.n AS mean, r.rs / nullif(r.rn, 0) AS rest_mean,
			   sqrt(greatest(r.q / r.n - (r.s / r.n) ^ 2, 0) / r.n
					+ greatest(r.rq / nullif(r.rn, 0) - (r.rs / nullif(r.rn, 0)) ^ 2, 0) / nullif(r.rn, 0)) AS error
		FROM rest AS r
	)
	SELECT m.segment, m.value, m.n::bigint, m.s::bigint, m.mean, m.rest_mean, m.mean / m.rest_mean,
		   coalesce(m.mean > 3 * m.rest_mean AND m.mean - m.rest_mean > 5 * m.error
					AND least(m.n, m.rn) >= 20, false)
	FROM means AS m;
END;
COMMENT ON FUNCTION exposure_rates(exposure_cells_result[]) IS
'exposures per unit by segment, from the cells of an exposure log';

CREATE FUNCTION exposure_duplicates(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	segments text[],
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF exposure_duplicates_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM (SELECT array_agg(c) AS cells
		  FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, segments) AS c) AS c,
		 exposure_rates(c.cells) AS r
	ORDER BY r.ratio DESC NULLS LAST, r.segment, r.value;
END;
COMMENT ON FUNCTION exposure_duplicates(regclass, text, text, text, text[], timestamptz, timestamptz) IS
'exposures per unit by segments at first exposure, and which segment fires always';

-- The list of checks.

CREATE TYPE exposure_health_result AS (
	check_name text,
	status text,
	value float8,
	threshold float8,
	detail text
);
COMMENT ON TYPE exposure_health_result IS 'a check of an exposure log; its status is ok, warn or fail';

CREATE TYPE exposure_totals_result AS (
	logged bigint,
	null_units bigint,
	null_variants bigint,
	null_times bigint,
	outside bigint,
	units bigint,
	exposures bigint,
	no_variant bigint,
	crossovers bigint,
	unknown bigint,
	mismatched bigint,
	uncovered bigint,
	assigned bigint,
	not_exposed bigint,
	unassigned bigint,
	reassigned bigint
);
COMMENT ON TYPE exposure_totals_result IS 'rows and units of an exposure log, counted';

CREATE FUNCTION exposure_totals(cells exposure_cells_result[], variants text[]) RETURNS exposure_totals_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(sum(c.logged), 0)::bigint,
		   coalesce(sum(c.logged) FILTER (WHERE c.class = 'null_unit'), 0)::bigint,
		   coalesce(sum(c.null_variants), 0)::bigint,
		   coalesce(sum(c.null_times), 0)::bigint,
		   coalesce(sum(c.outside), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.exposures) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'no_variant'), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'exposed' AND c.crossover), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'exposed' AND c.variant <> ALL (variants)), 0)::bigint,
		   coalesce(sum(c.mismatched) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.uncovered) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.units - c.unassigned) FILTER (WHERE c.class <> 'null_unit'), 0)::bigint,
		   coalesce(sum(c.units) FILTER (WHERE c.class = 'not_exposed'), 0)::bigint,
		   coalesce(sum(c.unassigned) FILTER (WHERE c.class = 'exposed'), 0)::bigint,
		   coalesce(sum(c.reassigned) FILTER (WHERE c.class = 'exposed'), 0)::bigint
	FROM unnest(cells) AS c
	WHERE c.kind = 'total';
END;
COMMENT ON FUNCTION exposure_totals(exposure_cells_result[], text[]) IS
'rows and units of an exposure log, from its cells';

-- A count as a share, with its words.
CREATE FUNCTION exposure_share_check(name text, part bigint, whole bigint, words text, max_share float8)
RETURNS exposure_health_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT name,
		   CASE WHEN part > max_share * whole THEN 'fail' WHEN part > 0 THEN 'warn' ELSE 'ok' END,
		   part::float8 / nullif(whole, 0), max_share,
		   format('%s of %s %s', part, whole, words);
END;
COMMENT ON FUNCTION exposure_share_check(text, bigint, bigint, text, float8) IS
'a check of a share: ok if 0, fail above the threshold';

CREATE FUNCTION exposure_p_check(name text, p_value float8, alpha float8, detail text)
RETURNS exposure_health_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT name, CASE WHEN p_value < alpha THEN 'fail' ELSE 'ok' END, p_value, alpha,
		   coalesce(detail, 'too few units');
END;
COMMENT ON FUNCTION exposure_p_check(text, float8, float8, text) IS
'a check of a p-value: fail below the threshold';

-- "control 5012 (5000 expected), treatment 4988 (5000 expected)"
CREATE FUNCTION exposure_split_text(variants text[], observed bigint[], expected float8[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(format('%s %s (%s expected)', v.label, observed[v.i], round(expected[v.i]::numeric, 1)),
					  ', ' ORDER BY v.i)
	FROM unnest(variants) WITH ORDINALITY AS v (label, i);
END;
COMMENT ON FUNCTION exposure_split_text(text[], bigint[], float8[]) IS 'a split in words';

CREATE FUNCTION exposure_srm_checks(
	cells exposure_cells_result[], variants text[], weights float8[], crossovers text, alpha float8
) RETURNS SETOF exposure_health_result
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH tests AS (
		SELECT s.*, exposure_split_text(variants, s.observed, s.expected) AS split,
			   row_number() OVER (PARTITION BY s.kind ORDER BY s.p_value NULLS LAST, s.segment, s.value) AS place,
			   count(*) FILTER (WHERE s.p_adjusted < alpha) OVER (PARTITION BY s.kind) AS bad,
			   count(s.p_value) OVER (PARTITION BY s.kind) AS tested
		FROM exposure_srm(cells, variants, weights, crossovers) AS s
	), worst AS (
		SELECT t.* FROM tests AS t WHERE t.place = 1
	)
	SELECT c.*
	FROM (VALUES (1, 'total'), (2, 'sequential'), (3, 'day'), (4, 'segment')) AS k (i, kind)
	LEFT JOIN worst AS w ON w.kind = CASE k.kind WHEN 'sequential' THEN 'total' ELSE k.kind END
	LEFT JOIN (SELECT srm_sequential_agg(d.observed, exposure_weights(variants, weights)
										 ORDER BY d.value::date) AS looks
			   FROM tests AS d WHERE d.kind = 'day') AS l ON true,
	LATERAL exposure_p_check(
		CASE k.kind WHEN 'total' THEN 'srm' WHEN 'sequential' THEN 'srm_sequential' ELSE 'srm_by_' || k.kind END,
		CASE k.kind WHEN 'total' THEN w.p_value WHEN 'sequential' THEN (l.looks).p_value ELSE w.p_adjusted END,
		alpha,
		CASE WHEN k.kind = 'total' THEN w.split
			 WHEN k.kind = 'sequential' THEN 'smallest p-value of all days so far, valid at every look'
			 WHEN w.tested > 0 THEN
				format('%s of %s; worst: %s: %s%s', w.bad,
					   w.tested || CASE k.kind WHEN 'day' THEN ' days' ELSE ' segments' END,
					   concat(w.segment || ' = ', coalesce(w.value, 'NULL')), w.split,
					   CASE WHEN w.p_adjusted < alpha AND w.p_value_rest IS NOT NULL THEN
							format('; without it p = %s', w.p_value_rest::numeric(20, 6))
							|| CASE WHEN w.p_value_rest >= alpha THEN ': it drives the mismatch' ELSE '' END
							ELSE '' END) END) AS c
	WHERE k.kind <> 'segment' OR EXISTS (SELECT FROM unnest(cells) AS u WHERE u.kind = 'segment')
	ORDER BY k.i;
END;
COMMENT ON FUNCTION exposure_srm_checks(exposure_cells_result[], text[], float8[], text, float8) IS
'the checks of sample ratio mismatch';

CREATE FUNCTION exposure_health(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	variants text[],
	weights float8[] DEFAULT NULL,
	salt text DEFAULT NULL,
	coverage float8 DEFAULT 1,
	method text DEFAULT NULL,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL,
	segments text[] DEFAULT NULL,
	assignments regclass DEFAULT NULL,
	assigned_unit text DEFAULT NULL,
	assigned_variant text DEFAULT NULL,
	crossovers text DEFAULT 'drop',
	alpha float8 DEFAULT 0.001,
	max_share float8 DEFAULT 0.01
) RETURNS SETOF exposure_health_result
LANGUAGE sql STABLE ROWS 20
BEGIN ATOMIC
	WITH arguments AS MATERIALIZED (
		SELECT exposure_assignment(salt, variants, weights, coverage, method) AS assignment,
			   exposure_assigned_join(assignments, coalesce(assigned_unit, unit),
									  coalesce(assigned_variant, variant), exposures, unit) AS assigned_join,
			   exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first') AS policy,
			   exposure_share(alpha, 'alpha', true) AS level,
			   exposure_share(max_share, 'max_share', false) AS tolerated
	), log AS MATERIALIZED (
		SELECT a.*, c.cells
		FROM arguments AS a,
			 LATERAL (SELECT array_agg(c) AS cells
					  FROM exposure_cells(exposures, unit, variant, exposed_at, starts, ends, segments,
										  a.assignment, a.assigned_join) AS c) AS c
	), firing AS (
		SELECT r.* FROM log AS l, exposure_rates(l.cells) AS r
		WHERE r.always_fire ORDER BY r.ratio DESC, r.segment, r.value LIMIT 1
	), checks AS (
		SELECT 1 AS place, 'exposures' AS check_name, CASE WHEN t.units >= 1 THEN 'ok' ELSE 'fail' END AS status,
			   t.units::float8 AS value, 1::float8 AS threshold,
			   format('%s units with %s exposures, of %s rows', t.units, t.exposures, t.logged) AS detail
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		UNION ALL
		SELECT k.place, c.*
		FROM log AS l, exposure_totals(l.cells, variants) AS t,
			 LATERAL (VALUES
				(2, true, 'null_unit', t.null_units, t.logged, 'rows have no unit'),
				(3, true, 'null_variant', t.null_variants, t.logged, 'rows have no variant'),
				(4, true, 'null_time', t.null_times, t.logged, 'rows have no time'),
				(5, starts IS NOT NULL OR ends IS NOT NULL, 'outside_dates', t.outside, t.logged,
				 'rows are outside the dates'),
				(6, true, 'unknown_variant', t.unknown, t.units,
				 format('units have a variant other than %s', array_to_string(variants, ', '))),
				(9, true, 'crossovers', t.crossovers, t.units, 'units were exposed to more than one variant'),
				(11, salt IS NOT NULL, 'assignment_mismatch', t.mismatched, t.units,
				 format('units are not where salt, variants and weights put them, %s of these outside the coverage; with a wrong salt it would be about %s %%',
						t.uncovered,
						(SELECT round((100 - 100 * coverage * sum((w / largest) ^ 2) / sum(w / largest) ^ 2)::numeric, 1)
						 FROM (SELECT w, max(w) OVER () AS largest
							   FROM unnest(exposure_weights(variants, weights)) AS w) AS w))),
				(12, assignments IS NOT NULL, 'assigned_variant_mismatch', t.reassigned, t.units,
				 'units have another variant than they were assigned'),
				(13, assignments IS NOT NULL, 'exposed_not_assigned', t.unassigned, t.units,
				 'units were exposed, but not assigned'))
				AS k (place, applies, name, part, whole, words),
			 exposure_share_check(k.name, k.part, k.whole, k.words, l.tolerated) AS c
		WHERE k.applies
		UNION ALL
		SELECT 7, 'duplicates', CASE WHEN t.exposures > 10 * t.units THEN 'warn' ELSE 'ok' END,
			   t.exposures::float8 / nullif(t.units, 0), 10,
			   format('%s exposures of %s units; %s repeat an earlier one', t.exposures, t.units, t.exposures - t.units)
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		UNION ALL
		SELECT 8, 'duplicates_by_segment', CASE WHEN f.always_fire THEN 'warn' ELSE 'ok' END, f.ratio, 3,
			   CASE WHEN f.always_fire THEN
					format('%s = %s: %s exposures per unit, against %s', f.segment, coalesce(f.value, 'NULL'),
						   round(f.per_unit::numeric, 2), round(f.per_unit_rest::numeric, 2))
					ELSE 'no segment stands out' END
		FROM log AS l LEFT JOIN firing AS f ON true
		WHERE segments IS NOT NULL
		UNION ALL
		SELECT 10, 'assignment_rate',
			   CASE WHEN t.no_variant = 0 OR t.units >= coverage * (t.units + t.no_variant) THEN 'ok'
					WHEN coverage < 1 THEN CASE WHEN s.p_value < l.level THEN 'fail' ELSE 'ok' END
					WHEN t.no_variant > l.tolerated * (t.units + t.no_variant) THEN 'fail' ELSE 'warn' END,
			   t.units::float8 / nullif(t.units + t.no_variant, 0), coverage,
			   format('%s of %s units have a variant', t.units, t.units + t.no_variant)
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		LEFT JOIN srm(ARRAY[t.units, t.no_variant],
					  CASE WHEN coverage > 0 AND coverage < 1 THEN ARRAY[coverage, 1 - coverage] END) AS s ON true
		UNION ALL
		SELECT 14, 'assigned_not_exposed',
			   CASE WHEN t.not_exposed > l.tolerated * t.assigned THEN 'warn' ELSE 'ok' END,
			   t.not_exposed::float8 / nullif(t.assigned, 0), l.tolerated,
			   format('%s of %s assigned units are not in the log', t.not_exposed, t.assigned)
		FROM log AS l, exposure_totals(l.cells, variants) AS t
		WHERE assignments IS NOT NULL
		UNION ALL
		SELECT 15 + row_number() OVER (), c.*
		FROM log AS l, exposure_srm_checks(l.cells, variants, weights, l.policy, l.level) AS c
	)
	SELECT c.check_name, c.status, c.value, c.threshold, c.detail FROM checks AS c ORDER BY c.place;
END;
COMMENT ON FUNCTION exposure_health(regclass, text, text, text, text[], float8[], text, float8, text, timestamptz, timestamptz, text[], regclass, text, text, text, float8, float8) IS
'everything that can be checked of an exposure log, for alerts: a row per check, with its status ok, warn or fail';
