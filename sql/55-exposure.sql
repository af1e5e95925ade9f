-- Exposure logs: one row per unit out of many per exposure, and what is wrong with them.

CREATE TYPE first_exposure_result AS (
	exposures bigint,
	exposed_at timestamptz,
	crossover boolean,
	variant text,
	segments text[]
);
COMMENT ON TYPE first_exposure_result IS 'what an exposure log says about a unit';
COMMENT ON COLUMN first_exposure_result.exposures IS 'number of exposures';
COMMENT ON COLUMN first_exposure_result.exposed_at IS 'time of the first exposure';
COMMENT ON COLUMN first_exposure_result.crossover IS 'was the unit exposed to more than one variant?';
COMMENT ON COLUMN first_exposure_result.variant IS 'variant of the first exposure';
COMMENT ON COLUMN first_exposure_result.segments IS 'segments at the first exposure';

CREATE TYPE first_exposure_state AS (
	exposures bigint,
	exposed_at bigint,
	crossover boolean,
	variant text,
	segments text[]
);
COMMENT ON TYPE first_exposure_state IS
'a first_exposure_result under way; its time is a number, that every node of a cluster reads alike';

CREATE FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz) RETURNS first_exposure_state
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz) IS
'aggregate transition function';

CREATE FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz, text[])
RETURNS first_exposure_state
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_accum(first_exposure_state, text, timestamptz, text[]) IS
'aggregate transition function';

CREATE FUNCTION first_exposure_combine(first_exposure_state, first_exposure_state) RETURNS first_exposure_state
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_combine(first_exposure_state, first_exposure_state) IS
'aggregate combine function';

CREATE FUNCTION first_exposure_final(first_exposure_state) RETURNS first_exposure_result
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION first_exposure_final(first_exposure_state) IS 'aggregate final function';

CREATE AGGREGATE first_exposure(variant text, exposed_at timestamptz) (
	SFUNC = first_exposure_accum, STYPE = first_exposure_state, SSPACE = 96,
	COMBINEFUNC = first_exposure_combine, FINALFUNC = first_exposure_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE first_exposure(text, timestamptz) IS
'first exposure of a unit, number of exposures, and whether there was more than one variant';

CREATE AGGREGATE first_exposure(variant text, exposed_at timestamptz, segments text[]) (
	SFUNC = first_exposure_accum, STYPE = first_exposure_state, SSPACE = 160,
	COMBINEFUNC = first_exposure_combine, FINALFUNC = first_exposure_final, PARALLEL = SAFE
);
COMMENT ON AGGREGATE first_exposure(text, timestamptz, text[]) IS
'first exposure of a unit, with its segments';

-- What the functions below share.  They look names up and quote them, put a query together, and
-- have it run by exposure_rows, with the caller's rights.  Functions with SQL bodies are bound to
-- what they call when the extension is created, so that no search_path leads them astray, and are
-- inlined; those in plpgsql and the queries use nothing but pg_catalog, and of the extension what
-- they name with its schema.

CREATE FUNCTION exposure_relation(relation regclass, argument text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	kind "char";
BEGIN
	IF relation IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = format('%s must not be null', argument),
			HINT = 'Give a table or a view, for example ''exposures''.';
	END IF;
	SELECT relkind INTO kind FROM pg_class WHERE oid = relation;
	IF NOT found THEN
		RAISE undefined_table USING
			MESSAGE = format('relation with OID %s does not exist', relation),
			DETAIL = format('It was given as %s.', argument),
			HINT = 'Give a table or a view by its name.';
	END IF;
	IF kind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
		RAISE wrong_object_type USING
			MESSAGE = format('%s is not a table or a view', relation),
			DETAIL = format('It was given as %s.', argument),
			HINT = 'Give a table, a view, a materialized view or a foreign table.';
	END IF;
	RETURN format('%s', relation);
END
$$;
COMMENT ON FUNCTION exposure_relation(regclass, text) IS
'the quoted name of a relation that can be read';

CREATE FUNCTION exposure_column(relation regclass, "column" text, argument text, is_time boolean)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_type oid;
	base_type oid;
BEGIN
	IF "column" IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = format('%s must not be null', argument),
			HINT = format('Give the name of a column of %s.', relation);
	END IF;
	SELECT atttypid INTO found_type
	FROM pg_attribute
	WHERE attrelid = relation AND attname = "column" AND attnum > 0 AND NOT attisdropped;
	IF NOT found THEN
		RAISE undefined_column USING
			MESSAGE = format('column "%s" of relation %s does not exist', "column", relation),
			DETAIL = format('It was given as %s.', argument),
			HINT = format('The columns are: %s.',
				(SELECT coalesce(string_agg(quote_ident(attname), ', ' ORDER BY attnum), 'none')
				 FROM pg_attribute
				 WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped));
	END IF;
	IF is_time THEN
		SELECT coalesce(nullif(typbasetype, 0), oid) INTO base_type FROM pg_type WHERE oid = found_type;
		IF base_type NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) THEN
			RAISE datatype_mismatch USING
				MESSAGE = format('column "%s" of relation %s is of type %s, not a time',
								 "column", relation, format_type(found_type, NULL)),
				DETAIL = format('It was given as %s.', argument),
				HINT = 'Times are timestamptz, timestamp or date. Convert others in a view, for example with to_timestamp().';
		END IF;
	END IF;
	RETURN format('%I', "column");
END
$$;
COMMENT ON FUNCTION exposure_column(regclass, text, text, boolean) IS
'the quoted name of a column that exists, of a time if that is asked for';

CREATE FUNCTION exposure_choice(value text, argument text, VARIADIC choices text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF value IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = format('%s must not be null', argument);
	ELSIF value <> ALL (choices) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('unknown %s policy "%s"', argument, value),
			HINT = format('Accepted: ''%s''.', array_to_string(choices, ''', '''));
	END IF;
	RETURN value;
END
$$;
COMMENT ON FUNCTION exposure_choice(text, text, text[]) IS 'a policy that is known';

CREATE FUNCTION exposure_share(value float8, argument text, below_one boolean) RETURNS float8
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF value IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = format('%s must not be null', argument);
	ELSIF below_one AND NOT (value > 0 AND value < 1) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s must be between 0 and 1, both excluded, not %s', argument, value);
	ELSIF NOT (value >= 0 AND value <= 1) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s must be between 0 and 1, not %s', argument, value),
			HINT = 'It is a share: 0.01 is 1 %.';
	END IF;
	RETURN value;
END
$$;
COMMENT ON FUNCTION exposure_share(float8, text, boolean) IS 'a share or a level that is one';

-- "Is this exposure within the dates?" NULL if every one is.  Times are written in a style that is read
-- back as it was written: others have zones such as IST, which is taken for Israel's and not for India's.
CREATE FUNCTION exposure_dates(exposed_at text, starts timestamptz, ends timestamptz) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET datestyle = ISO AS $$
BEGIN
	IF starts >= ends THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('ends (%s) must be after starts (%s)', ends, starts),
			HINT = 'An exposure counts from starts on and before ends.';
	END IF;
	RETURN '(' || nullif(concat_ws(' AND ',
		format('%s::timestamptz >= ', exposed_at) || quote_literal(starts) || '::timestamptz',
		format('%s::timestamptz < ', exposed_at) || quote_literal(ends) || '::timestamptz'), '') || ')';
END
$$;
COMMENT ON FUNCTION exposure_dates(text, timestamptz, timestamptz) IS
'the condition that an exposure is within the dates';

CREATE FUNCTION exposure_schema() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT quote_ident(n.nspname)
	FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace
	WHERE x.extname = 'expstat';
END;
COMMENT ON FUNCTION exposure_schema() IS 'the quoted schema of the extension';

-- Not parallel safe, so that it runs in the leader, where the query may have workers of its own.
CREATE FUNCTION exposure_rows(query text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY EXECUTE query;
END
$$;
COMMENT ON FUNCTION exposure_rows(text) IS 'the rows of a query, with the caller''s rights';

-- A log as its user names it, with all names looked up and quoted, for the alias e.
CREATE TYPE exposure_log_result AS (
	relation text,
	unit text,
	variant text,
	exposed_at text,
	dates text
);
COMMENT ON TYPE exposure_log_result IS 'quoted names of an exposure log, and the condition that an exposure is within the dates';

CREATE FUNCTION exposure_log(
	exposures regclass, unit text, variant text, exposed_at text, starts timestamptz, ends timestamptz
) RETURNS exposure_log_result
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT l.relation, l.unit, l.variant, l.exposed_at, exposure_dates(l.exposed_at, starts, ends)
	FROM (SELECT exposure_relation(exposures, 'exposures') AS relation,
				 'e.' || exposure_column(exposures, unit, 'unit', false) AS unit,
				 'e.' || exposure_column(exposures, variant, 'variant', false) AS variant,
				 'e.' || exposure_column(exposures, exposed_at, 'exposed_at', true) AS exposed_at
		  OFFSET 0) AS l;
END;
COMMENT ON FUNCTION exposure_log(regclass, text, text, text, timestamptz, timestamptz) IS
'the quoted names of an exposure log';

-- The one pass over the log: a row per unit.
CREATE FUNCTION exposure_units_query(
	exposures regclass, unit text, variant text, exposed_at text,
	starts timestamptz, ends timestamptz, segments text[]
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format(
		'SELECT %2$s AS unit, count(*) AS logged, count(%3$s) AS with_variant, '
		'count(%4$s) AS with_time, %5$s AS outside, '
		'%6$s.first_exposure(%3$s::text, %4$s::timestamptz%7$s)%8$s AS first '
		'FROM %1$s AS e GROUP BY %2$s',
		l.relation, l.unit, l.variant, l.exposed_at,
		coalesce('count(*) FILTER (WHERE NOT ' || l.dates || ')', '0::bigint'),
		exposure_schema(),
		', ARRAY['
		|| (SELECT string_agg('e.' || exposure_column(exposures, s.name, 'segments', false) || '::text',
							  ', ' ORDER BY s.i)
			FROM unnest(segments) WITH ORDINALITY AS s (name, i)) || ']',
		' FILTER (WHERE ' || l.dates || ')')
	FROM exposure_log(exposures, unit, variant, exposed_at, starts, ends) AS l;
END;
COMMENT ON FUNCTION exposure_units_query(regclass, text, text, text, timestamptz, timestamptz, text[]) IS
'the query that turns an exposure log into a row per unit';

CREATE FUNCTION exposure_crossover(unit text, variant text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE data_exception USING
		MESSAGE = format('unit "%s" was exposed to "%s" and to another variant', unit, variant),
		HINT = 'exposure_crossovers() lists all such units. crossovers => ''drop'' leaves them out, ''keep_first'' counts them where they were first.';
END
$$;
COMMENT ON FUNCTION exposure_crossover(text, text) IS 'raises the error of a crossover under the policy fail';

CREATE TYPE first_exposures_result AS (
	unit text,
	variant text,
	exposed_at timestamptz,
	exposures bigint,
	crossover boolean
);
COMMENT ON TYPE first_exposures_result IS 'a unit of an exposure log';

CREATE FUNCTION first_exposures(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	crossovers text DEFAULT 'drop',
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF first_exposures_result
LANGUAGE sql STABLE ROWS 100000
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT u.unit::text, %1$s, (u.first).exposed_at, (u.first).exposures, (u.first).crossover '
		'FROM (%2$s) AS u WHERE u.unit IS NOT NULL AND (u.first).exposures IS NOT NULL%3$s',
		CASE exposure_choice(crossovers, 'crossovers', 'drop', 'keep_first', 'fail')
			WHEN 'fail' THEN format(
				'CASE WHEN (u.first).crossover THEN %s.exposure_crossover(u.unit::text, (u.first).variant) '
				'ELSE (u.first).variant END', exposure_schema())
			ELSE '(u.first).variant' END,
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, NULL),
		CASE crossovers WHEN 'drop' THEN ' AND NOT (u.first).crossover' END))
		AS r (unit text, variant text, exposed_at timestamptz, exposures bigint, crossover boolean);
END;
COMMENT ON FUNCTION first_exposures(regclass, text, text, text, text, timestamptz, timestamptz) IS
'first exposure of each unit of an exposure log; units in more than one variant are dropped, kept in their first, or an error';

CREATE TYPE exposure_crossovers_result AS (
	unit text,
	variants text[],
	exposed_at timestamptz[],
	exposures bigint[]
);
COMMENT ON TYPE exposure_crossovers_result IS
'a unit that was exposed to several variants: these in order, with the time of the first and the number of exposures to each';

CREATE FUNCTION exposure_crossovers(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF exposure_crossovers_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_log(exposures, unit, variant, exposed_at, starts, ends) AS l,
		 exposure_rows(format(
		'SELECT v.unit::text, array_agg(v.variant ORDER BY v.at, v.variant COLLATE "C"), '
		'array_agg(v.at ORDER BY v.at, v.variant COLLATE "C"), '
		'array_agg(v.n ORDER BY v.at, v.variant COLLATE "C") '
		'FROM (SELECT %2$s AS unit, %3$s::text AS variant, min(%4$s::timestamptz) AS at, count(*) AS n '
		'FROM %1$s AS e WHERE %2$s IS NOT NULL AND %3$s IS NOT NULL AND %4$s IS NOT NULL%5$s '
		'GROUP BY 1, 2) AS v GROUP BY v.unit HAVING count(*) > 1',
		l.relation, l.unit, l.variant, l.exposed_at, ' AND ' || l.dates))
		AS r (unit text, variants text[], exposed_at timestamptz[], exposures bigint[]);
END;
COMMENT ON FUNCTION exposure_crossovers(regclass, text, text, text, timestamptz, timestamptz) IS
'the units of an exposure log that were exposed to more than one variant';

CREATE TYPE exposures_outside_result AS (
	unit text,
	variant text,
	exposed_at timestamptz,
	side text
);
COMMENT ON TYPE exposures_outside_result IS 'an exposure before or after the dates of its experiment';

CREATE FUNCTION exposures_outside(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF exposures_outside_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_log(exposures, unit, variant, exposed_at, starts, ends) AS l,
		 exposure_rows(format(
		'SELECT %2$s::text, %3$s::text, %4$s::timestamptz, '
		'CASE WHEN %6$s THEN ''after'' ELSE ''before'' END FROM %1$s AS e WHERE NOT %5$s',
		l.relation, l.unit, l.variant, l.exposed_at, coalesce(l.dates, 'true'),
		coalesce(exposure_dates(l.exposed_at, starts, NULL), 'true')))
		AS r (unit text, variant text, exposed_at timestamptz, side text);
END;
COMMENT ON FUNCTION exposures_outside(regclass, text, text, text, timestamptz, timestamptz) IS
'the exposures outside the dates of the experiment, from starts on and before ends';

-- The expression of the variant that a unit should have, for the alias u; NULL without a salt.
-- assign_variant reads its arguments here, too, so that errors do not depend on the rows.
-- The numbers are written with all their digits.
CREATE FUNCTION exposure_assignment(
	salt text, variants text[], weights float8[], coverage float8, method text
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET extra_float_digits = 1
BEGIN ATOMIC
	SELECT CASE WHEN a.variant IS NOT NULL OR salt IS NOT NULL THEN
		format('%s.assign_variant(u.unit::text, %L, %L::text[], %L::float8[], %L::float8%s)',
			   exposure_schema(), salt, variants, weights, coverage,
			   ', method => ' || quote_literal(nullif(method, 'farm_fingerprint'))) END
	FROM assign_variant(CASE WHEN salt IS NULL THEN NULL ELSE '' END, coalesce(salt, ''),
						variants, weights, coverage) AS a (variant);
END;
COMMENT ON FUNCTION exposure_assignment(text, text[], float8[], float8, text) IS
'the expression of the variant that a unit should have';

CREATE TYPE assignment_mismatches_result AS (
	unit text,
	variant text,
	assigned text,
	exposed_at timestamptz,
	exposures bigint
);
COMMENT ON TYPE assignment_mismatches_result IS
'a unit whose logged variant is not the one that it is assigned; assigned is NULL outside the coverage';

CREATE FUNCTION assignment_mismatches(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	salt text,
	variants text[],
	weights float8[] DEFAULT NULL,
	coverage float8 DEFAULT 1,
	method text DEFAULT NULL,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF assignment_mismatches_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT x.* FROM (SELECT u.unit::text, (u.first).variant, %1$s AS assigned, '
		'(u.first).exposed_at, (u.first).exposures FROM (%2$s) AS u '
		'WHERE u.unit IS NOT NULL AND (u.first).exposures IS NOT NULL OFFSET 0) AS x '
		'WHERE x.variant IS DISTINCT FROM x.assigned',
		exposure_assignment(salt, variants, weights, coverage, method),
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, NULL)))
		AS r (unit text, variant text, assigned text, exposed_at timestamptz, exposures bigint);
END;
COMMENT ON FUNCTION assignment_mismatches(regclass, text, text, text, text, text[], float8[], float8, text, timestamptz, timestamptz) IS
'the units whose logged variant is not the one that assign_variant gives';

-- '' if two columns can be compared as they are, '::text' if not: a type of an extension has its
-- equality in a schema that is not searched.
CREATE FUNCTION exposure_key_cast(relation regclass, "column" text, other regclass, other_column text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN count(DISTINCT (a.atttypid, a.attcollation)) > 1
					 OR bool_or(t.typnamespace <> 'pg_catalog'::regnamespace AND t.typtype = 'b')
				THEN '::text' ELSE '' END
	FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
	WHERE (a.attrelid = relation AND a.attname = "column") OR (a.attrelid = other AND a.attname = other_column);
END;
COMMENT ON FUNCTION exposure_key_cast(regclass, text, regclass, text) IS
'the cast that makes two columns comparable';

CREATE TYPE assigned_not_exposed_result AS (unit text, variant text);
COMMENT ON TYPE assigned_not_exposed_result IS 'a unit and the variant it was assigned';

CREATE FUNCTION assigned_not_exposed(
	assignments regclass,
	assigned_unit text,
	assigned_variant text,
	exposures regclass,
	unit text
) RETURNS SETOF assigned_not_exposed_result
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT a.%2$s::text, a.%3$s::text FROM %1$s AS a WHERE a.%2$s IS NOT NULL AND a.%3$s IS NOT NULL '
		'AND NOT EXISTS (SELECT FROM %4$s AS e WHERE e.%5$s%6$s = a.%2$s%6$s) GROUP BY 1, 2',
		exposure_relation(assignments, 'assignments'),
		exposure_column(assignments, assigned_unit, 'assigned_unit', false),
		exposure_column(assignments, assigned_variant, 'assigned_variant', false),
		exposure_relation(exposures, 'exposures'),
		exposure_column(exposures, unit, 'unit', false),
		exposure_key_cast(assignments, assigned_unit, exposures, unit)))
		AS r (unit text, variant text);
END;
COMMENT ON FUNCTION assigned_not_exposed(regclass, text, text, regclass, text) IS
'the assigned units that are not in the exposure log';

CREATE TYPE person_exposures_result AS (
	unit text,
	variant text,
	exposed_at timestamptz,
	exposures bigint,
	ids bigint,
	conflict boolean
);
COMMENT ON TYPE person_exposures_result IS
'a person of an exposure log, under one id; variant is NULL where the ids were exposed to different variants';

-- A row per id first, so that the log is read once; then a row per person.
CREATE FUNCTION person_exposures(
	exposures regclass,
	unit text,
	variant text,
	exposed_at text,
	identities regclass,
	anonymous_id text,
	user_id text,
	seen_at text,
	starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL
) RETURNS SETOF person_exposures_result
LANGUAGE sql STABLE ROWS 100000
BEGIN ATOMIC
	SELECT r.*
	FROM exposure_rows(format(
		'SELECT p.unit, CASE WHEN NOT p.conflict THEN (p.first).variant END, (p.first).exposed_at, '
		'p.exposures, p.ids, p.conflict FROM ('
		'SELECT coalesce(i.user_id, u.unit::text) AS unit, '
		'%1$s.first_exposure((u.first).variant, (u.first).exposed_at) AS first, '
		'sum((u.first).exposures)::bigint AS exposures, count(*) AS ids, '
		'bool_or((u.first).crossover) OR min((u.first).variant) <> max((u.first).variant) AS conflict '
		'FROM (%2$s) AS u LEFT JOIN ('
		'SELECT DISTINCT ON (1) i.%4$s::text AS anonymous_id, i.%5$s::text AS user_id FROM %3$s AS i '
		'WHERE i.%4$s IS NOT NULL AND i.%5$s IS NOT NULL '
		'ORDER BY 1, i.%6$s::timestamptz, i.%5$s::text COLLATE "C") AS i ON i.anonymous_id = u.unit::text '
		'WHERE u.unit IS NOT NULL AND (u.first).exposures IS NOT NULL GROUP BY 1) AS p',
		exposure_schema(),
		exposure_units_query(exposures, unit, variant, exposed_at, starts, ends, NULL),
		exposure_relation(identities, 'identities'),
		exposure_column(identities, anonymous_id, 'anonymous_id', false),
		exposure_column(identities, user_id, 'user_id', false),
		exposure_column(identities, seen_at, 'seen_at', true)))
		AS r (unit text, variant text, exposed_at timestamptz, exposures bigint, ids bigint, conflict boolean);
END;
COMMENT ON FUNCTION person_exposures(regclass, text, text, text, regclass, text, text, text, timestamptz, timestamptz) IS
'first exposure of each person, whose logged-out ids are mapped to the logged-in id that was seen first with each';
