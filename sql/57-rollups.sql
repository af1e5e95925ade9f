-- Stored states: merging one into another, and whether their units are disjoint.

CREATE FUNCTION moments_merge(m moments, other moments) RETURNS moments
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'moments_merge_pair';
COMMENT ON FUNCTION moments_merge(moments, moments) IS
'the merged moments of two states of disjoint units; NULL is a state without units';

CREATE TYPE cohort_overlaps_result AS (
	cohorts text[],
	disjoint boolean,
	units bigint,
	overlapping bigint,
	counted bigint,
	examples text[]
);
COMMENT ON TYPE cohort_overlaps_result IS 'do states by these columns have disjoint units, so that they may be merged?';
COMMENT ON COLUMN cohort_overlaps_result.cohorts IS 'the columns; {} stands for the rows themselves';
COMMENT ON COLUMN cohort_overlaps_result.disjoint IS 'is every unit in one cohort only?';
COMMENT ON COLUMN cohort_overlaps_result.units IS 'number of units';
COMMENT ON COLUMN cohort_overlaps_result.overlapping IS 'units that are in several cohorts';
COMMENT ON COLUMN cohort_overlaps_result.counted IS 'the n of the merged states, in which these units count several times';
COMMENT ON COLUMN cohort_overlaps_result.examples IS 'up to five of the units in several cohorts';

-- The columns that the user named, quoted and with these aliases: "e.day AS c1, e.segment AS c2".
CREATE FUNCTION cohort_columns(units regclass, names text[], argument text, alias text) RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT coalesce(array_agg('e.' || exposure_column(units, n.name, argument, false) || ' AS ' || alias || n.i
							  ORDER BY n.i), '{}')
	FROM unnest(names) WITH ORDINALITY AS n (name, i);
END;
COMMENT ON FUNCTION cohort_columns(regclass, text[], text, text) IS
'quoted names of columns that exist, with aliases';

-- Only units with several rows can be in several cohorts, and mostly there are few: one sort of the relation
-- by unit finds them.  Then, for the rows themselves, for every column and for all columns together, the units
-- that are counted several times.
CREATE FUNCTION cohort_overlaps_query(units regclass, unit text, cohorts text[], within text[]) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format(
		'WITH numbered AS MATERIALIZED (SELECT x.*, row_number() OVER same AS i, count(*) OVER same AS n '
		'FROM (SELECT %1$s FROM %2$s AS e WHERE e.%3$s IS NOT NULL) AS x WINDOW same AS (PARTITION BY %4$s)), '
		'total AS MATERIALIZED (SELECT count(*) AS units FROM numbered WHERE i = 1), ',
		l.columns, l.relation, l.unit, l.key)
		|| string_agg(format(
			's%1$s AS MATERIALIZED (' || CASE s.k
				WHEN 0 THEN 'SELECT unit, n FROM numbered WHERE n > 1 AND i = 1)'
				ELSE 'SELECT unit, count(*) AS n FROM (SELECT DISTINCT %2$s, %3$s FROM numbered WHERE n > 1) AS x '
					'GROUP BY %2$s HAVING count(*) > 1)' END,
			s.k, l.key, s.aliases), ', ' ORDER BY s.k)
		|| string_agg(format(
			' %1$s SELECT %2$L::text[], count(s%3$s.n) = 0, total.units, count(s%3$s.n), '
			'total.units + coalesce(sum(s%3$s.n - 1), 0)::bigint, (SELECT array_agg(x.unit ORDER BY x.unit) FROM '
			'(SELECT DISTINCT unit::text COLLATE "C" AS unit FROM s%3$s ORDER BY 1 LIMIT 5) AS x) '
			'FROM total LEFT JOIN s%3$s ON true GROUP BY total.units',
			CASE WHEN s.k > 0 THEN 'UNION ALL' END, s.names, s.k), '' ORDER BY s.k)
	FROM (SELECT c.relation, c.unit, array_to_string(c.names, ', ') AS columns,
				 concat_ws(', ', 'unit', (SELECT string_agg('w' || i, ', ') FROM generate_series(1, cardinality(within)) AS i)) AS key
		  FROM (SELECT r.relation, r.unit,
					   ARRAY['e.' || r.unit || ' AS unit'] || cohort_columns(units, within, 'within', 'w')
					   || cohort_columns(units, cohorts, 'cohorts', 'c') AS names
				FROM (SELECT exposure_relation(units, 'units') AS relation,
							 exposure_column(units, unit, 'unit', false) AS unit OFFSET 0) AS r
				OFFSET 0) AS c) AS l,
		 (SELECT 0 AS k, '{}'::text[] AS names, NULL AS aliases
		  UNION ALL
		  SELECT n.i, ARRAY[n.name], 'c' || n.i FROM unnest(cohorts) WITH ORDINALITY AS n (name, i)
		  UNION ALL
		  SELECT count(*) + 1, array_agg(n.name ORDER BY n.i), string_agg('c' || n.i, ', ')
		  FROM unnest(cohorts) WITH ORDINALITY AS n (name, i) HAVING count(*) > 1) AS s
	GROUP BY l.relation, l.unit, l.columns, l.key;
END;
COMMENT ON FUNCTION cohort_overlaps_query(regclass, text, text[], text[]) IS
'the query that counts units in several cohorts';

CREATE FUNCTION cohort_overlaps(
	units regclass,
	unit text,
	cohorts text[],
	within text[] DEFAULT '{}'
) RETURNS SETOF cohort_overlaps_result
LANGUAGE sql STABLE ROWS 4
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(cohort_overlaps_query(units, unit, cohorts, within))
		AS r (cohorts text[], disjoint boolean, units bigint, overlapping bigint, counted bigint, examples text[]);
END;
COMMENT ON FUNCTION cohort_overlaps(regclass, text, text[], text[]) IS
'whether the states of cohorts by these columns may be merged: units that are in more than one, with examples';
