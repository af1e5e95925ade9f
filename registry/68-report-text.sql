-- Reports for a terminal: lines of at most 100 columns.  Everything of our own is ASCII: it reads the same in every
-- client encoding, font and mail, and box characters are two columns wide on some terminals, which breaks the bars.

CREATE FUNCTION report_plain(t text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN btrim(t) = '' THEN '(empty)' ELSE regexp_replace(t, '[[:cntrl:][:space:]]+', ' ', 'g') END;
END;
COMMENT ON FUNCTION report_plain(text) IS 'text of the user on one line: control characters and blanks become a blank';

-- As terminals count: East Asian letters and emoji have two columns, combining marks none.
CREATE FUNCTION report_width(t text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN octet_length(t) = char_length(t) THEN char_length(t) ELSE
		char_length(t)
		+ regexp_count(t, '[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\U0001f300-\U0001faff\U00020000-\U0003fffd]')
		- regexp_count(t, '[\u0300-\u036f\u200b-\u200f\ufe00-\ufe0f]') END;
END;
COMMENT ON FUNCTION report_width(text) IS 'columns of a terminal that a text takes';

CREATE FUNCTION report_fit(t text, width integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
	SELECT f.t || repeat(' ', width - report_width(f.t))
	FROM (SELECT left(t, k) || CASE WHEN k < char_length(t) THEN '~' ELSE '' END AS t, k
		  FROM generate_series(0, least(char_length(t), width)) AS k) AS f
	WHERE report_width(f.t) <= width
	ORDER BY f.k DESC LIMIT 1;
END;
COMMENT ON FUNCTION report_fit(text, integer) IS 'text in so many columns: padded, or cut, with a ~ to show it';

CREATE FUNCTION report_right(t text, width integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT repeat(' ', width - char_length(t)) || t;
END;
COMMENT ON FUNCTION report_right(text, integer) IS 'a number at the right of so many columns; never cut';

-- The first line begins with head, the others with as many blanks.
CREATE FUNCTION report_wrap(head text, t text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN w.place = 1 THEN head ELSE repeat(' ', char_length(head)) END || btrim(w.line[1])
	FROM regexp_matches(report_plain(t), replace('\S{N}|.{1,N}(?: |$)', 'N', (100 - char_length(head))::text), 'g') WITH ORDINALITY AS w (line, place)
	ORDER BY w.place;
END;
COMMENT ON FUNCTION report_wrap(text, text) IS 'text in lines of 100 columns';

CREATE FUNCTION report_column(x float8, axis report_axis) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT round(33 * report_place(x, axis))::integer;
END;
COMMENT ON FUNCTION report_column(float8, report_axis) IS 'where on the axis, in 34 columns from 0';

CREATE FUNCTION report_text_bar(line report_line, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	WITH c AS MATERIALIZED (
		SELECT report_column(0, axis) AS zero, report_column(line.lift, axis) AS lift, report_column(line.margin, axis) AS margin,
			   report_column(line.lift_low, axis) AS low, report_column(line.lift_high, axis) AS high,
			   line.lift BETWEEN axis.low AND axis.high AS inside, line.lift_low < axis.low AS more_low, line.lift_high > axis.high AS more_high
	)
	SELECT string_agg(CASE
		WHEN k = c.lift AND c.inside THEN CASE WHEN line.outcome = 'open' THEN 'o' ELSE '*' END
		WHEN k = 0 AND c.more_low THEN '<'
		WHEN k = 33 AND c.more_high THEN '>'
		WHEN k = c.low THEN '['
		WHEN k = c.high THEN ']'
		WHEN k = c.margin THEN ':'
		WHEN k BETWEEN c.low AND c.high THEN '-'
		WHEN k = c.zero THEN '|'
		ELSE ' ' END, '' ORDER BY k)
	FROM c CROSS JOIN generate_series(0, 33) AS k;
END;
COMMENT ON FUNCTION report_text_bar(report_line, report_axis) IS 'a lift and its interval in 34 columns: [--*--]';

-- Numbers at the ticks, where they do not touch each other.
CREATE FUNCTION report_text_scale(axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(repeat(' ', t.start - lag_end) || t.label, '' ORDER BY t.start)
	FROM (SELECT s.*, coalesce(lag(s.start + char_length(s.label)) OVER (ORDER BY s.start), 0) AS lag_end
		  FROM (SELECT report_column(v, axis) + 20 - char_length(l) / 2 AS start, l AS label
				FROM report_ticks(axis) AS v
				CROSS JOIN LATERAL (SELECT CASE WHEN v = 0 THEN '0' ELSE report_percent(v, report_decimals((axis).step * 10)) END) AS x (l)) AS s) AS t;
END;
COMMENT ON FUNCTION report_text_scale(report_axis) IS 'the numbers above the bars';

CREATE FUNCTION report_text_line(line report_line, axis report_axis) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT concat_ws(' ', report_fit('  ' || report_plain(line.variant), 19), report_text_bar(line, axis),
		report_right(report_effect(line.lift, line.lift_low, line.lift_high, line.diff, line.kind), 9),
		report_right(regexp_replace(report_interval(line.lift, line.lift_low, line.lift_high, line.diff_low, line.diff_high, line.kind), ' (%|pp) to', ' to'), 18),
		report_right(report_p(coalesce(line.p_adjusted, line.p_value)), 8), line.outcome);
END;
COMMENT ON FUNCTION report_text_line(report_line, report_axis) IS 'a result on a line';

CREATE FUNCTION report_text_results(experiment text) RETURNS SETOF text
LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH lines AS MATERIALIZED (
		SELECT r AS line, r.place, format('%s (%s)', report_plain(r.heading), r.note) AS heading, r.control,
			   min(r.place) OVER (PARTITION BY r.heading) AS first
		FROM report_lines(report_text_results.experiment) AS r
	), a AS MATERIALIZED (
		SELECT report_axis(array_agg(l.line), 3) AS axis FROM lines AS l
	)
	SELECT o.t
	FROM (
		SELECT 0::bigint AS first, 0::bigint AS place, w AS t
		FROM lines AS l
		JOIN experiments AS e ON e.experiment = report_text_results.experiment
		CROSS JOIN LATERAL report_wrap('', format('LIFT against %s, %s intervals', l.control, report_level(e.alpha))) AS w
		WHERE l.place = 1
		UNION ALL
		SELECT 0, 1, concat_ws(' ', report_fit(report_text_scale(a.axis), 57), report_right('lift', 6), report_right('interval', 18), 'p (adj.)') FROM a WHERE EXISTS (SELECT FROM lines)
		UNION ALL
		SELECT l.first, 0, rtrim(report_fit(l.heading, 100)) FROM lines AS l WHERE l.place = l.first
		UNION ALL
		SELECT l.first, l.place, report_text_line(l.line, a.axis) FROM lines AS l CROSS JOIN a
		UNION ALL
		SELECT 0, 0, 'LIFT: no metric has data of a treatment' WHERE NOT EXISTS (SELECT FROM lines)) AS o
	ORDER BY o.first, o.place;
END;
COMMENT ON FUNCTION report_text_results(text) IS 'lifts with bars on a common axis';

CREATE FUNCTION report_text_decision(experiment text) RETURNS SETOF text
LANGUAGE sql STABLE
BEGIN ATOMIC
	(SELECT w FROM decisions AS d JOIN experiments AS e ON e.experiment = d.experiment
	 CROSS JOIN LATERAL report_wrap('  ', format('decided: %s %s%s (%s, %s)', upper(d.decision), coalesce(report_plain(d.variant), 'all variants'),
			': ' || d.reason, d.decided_by, report_time(d.decided_at, e.time_zone))) AS w
	 WHERE d.experiment = report_text_decision.experiment
	   AND d.decided_at = (SELECT max(l.decided_at) FROM decisions AS l WHERE l.experiment = d.experiment))
	UNION ALL
	(SELECT w.t FROM experiment_summary AS s
	 JOIN variants AS v ON v.experiment = s.experiment AND v.variant = s.variant
	 CROSS JOIN LATERAL (
		SELECT 0::bigint AS place, t FROM report_wrap('  ', format('%s: %s', report_plain(s.variant), coalesce(upper(s.recommendation), 'no results'))) AS t
		UNION ALL
		SELECT r.place, t FROM report_reason_list(s.reasons) AS r CROSS JOIN LATERAL report_wrap('    - ', r.reason) AS t WHERE NOT r.folded
		UNION ALL
		SELECT max(r.place) + 1, format('    - and %s, below', report_count(count(*), 'secondary result')) FROM report_reason_list(s.reasons) AS r
		WHERE r.folded HAVING count(*) > 0) AS w
	 WHERE s.experiment = report_text_decision.experiment
	 ORDER BY v.place, w.place);
END;
COMMENT ON FUNCTION report_text_decision(text) IS 'what was decided, what is recommended, and why';

CREATE FUNCTION report_text_health(experiment text) RETURNS SETOF text
LANGUAGE sql STABLE
BEGIN ATOMIC
	(SELECT '  ' || CASE WHEN count(*) = 0 THEN 'the exposures were not checked'
						 ELSE format('%s of %s passed', count(*) FILTER (WHERE h.status = 'ok'), report_count(count(*), 'check')) END
	 FROM experiment_health AS h WHERE h.experiment = report_text_health.experiment)
	UNION ALL
	(SELECT w FROM experiment_health AS h
	 CROSS JOIN LATERAL report_wrap(rpad('  ' || upper(h.status), 8), replace(h.check_name, '_', ' ') || ': ' || h.detail) AS w
	 WHERE h.experiment = report_text_health.experiment AND h.status <> 'ok'
	 ORDER BY h.place);
END;
COMMENT ON FUNCTION report_text_health(text) IS 'how many checks were passed, and those that were not';

CREATE FUNCTION report_text_page(experiment text) RETURNS SETOF text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT l.t
	FROM experiments AS e
	JOIN analyses AS a ON a.experiment = e.experiment
	CROSS JOIN LATERAL (
		SELECT 1 AS part, row_number() OVER () AS place, t FROM report_wrap('', e.name) AS t
		UNION ALL SELECT 2, row_number() OVER (), t FROM report_wrap('', e.hypothesis) AS t
		UNION ALL SELECT 3, row_number() OVER (), t FROM report_wrap('', format('%s, %s; %s units (%s), data up to %s', report_status(e.starts, e.ends),
			report_dates(e.starts, e.ends, e.time_zone), to_char(a.units, 'FM999,999,999,999,990'), e.unit, report_time(a.as_of, e.time_zone))) AS t
		UNION ALL SELECT 4, u.place, u.t FROM unnest(ARRAY['', 'DECISION']) WITH ORDINALITY AS u (t, place)
		UNION ALL SELECT 5, row_number() OVER (), t FROM report_text_decision(report_text_page.experiment) AS t
		UNION ALL SELECT 6, u.place, u.t FROM unnest(ARRAY['', 'HEALTH']) WITH ORDINALITY AS u (t, place)
		UNION ALL SELECT 7, row_number() OVER (), t FROM report_text_health(report_text_page.experiment) AS t
		UNION ALL SELECT 8, 1, ''
		UNION ALL SELECT 9, row_number() OVER (), t FROM report_text_results(report_text_page.experiment) AS t
		UNION ALL SELECT 10, 1, ''
		UNION ALL SELECT 11, row_number() OVER (), t FROM report_wrap('', format('alpha %s; %s; read %s', trim_scale(e.alpha::numeric),
			CASE e.correction WHEN 'none' THEN 'p-values not adjusted' ELSE 'p-values adjusted for all metrics and variants (' || e.correction || ')' END,
			CASE e.method WHEN 'sequential' THEN 'at any time' ELSE 'once' || coalesce(', at ' || report_count(e.planned_n, 'unit') || ' per variant', '') END)) AS t
		UNION ALL SELECT 12, 1, 'as a page: psql -Atc "select expstat_report(...)" > report.html') AS l
	WHERE e.experiment = report_text_page.experiment
	ORDER BY l.part, l.place;
END;
COMMENT ON FUNCTION report_text_page(text) IS 'the lines of an analysed experiment';

CREATE FUNCTION report_text(experiment text) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM @extschema@.analyzed_experiment(experiment);
	RETURN QUERY SELECT * FROM @extschema@.report_text_page(experiment);
END;
$$;
COMMENT ON FUNCTION report_text(text) IS 'what expstat_report_text() does';
