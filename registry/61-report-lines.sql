-- Reports: the results of an experiment as the lines of a forest plot, and the axis they share.

CREATE TYPE report_line AS (
	place bigint, heading text, note text, variant text, control text, kind text, n bigint, n_control bigint,
	estimate float8, estimate_control float8, diff float8, diff_low float8, diff_high float8,
	lift float8, lift_low float8, lift_high float8, p_value float8, p_adjusted float8, method text,
	outcome text, margin float8
);
COMMENT ON TYPE report_line IS
'a result: heading is the metric or the segment''s value, note its role or the segment''s name, margin that of a guardrail as a lift';

CREATE FUNCTION report_lines(experiment text) RETURNS SETOF report_line
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT row_number() OVER (ORDER BY r.role <> 'primary', r.role = 'guardrail', r.place, v.place),
		   r.metric, concat_ws(', ', r.role, CASE r.better WHEN 'lower' THEN 'lower is better' END),
		   r.variant, r.control, r.kind, r.n, r.n_control, r.estimate, r.estimate_control, r.diff, r.diff_low, r.diff_high,
		   r.lift, r.lift_low, r.lift_high, r.p_value, r.p_adjusted, r.method, r.outcome,
		   CASE WHEN r.role = 'guardrail' THEN
				-better_sign(r.better) * CASE WHEN r.relative THEN r.margin ELSE r.margin / nullif(abs(r.estimate_control), 0) END END
	FROM experiment_results AS r
	LEFT JOIN variants AS v ON v.experiment = r.experiment AND v.variant = r.variant
	WHERE r.experiment = report_lines.experiment;
END;
COMMENT ON FUNCTION report_lines(text) IS 'the results of an experiment: primary metric, secondary ones, guardrails';

CREATE FUNCTION report_segment_lines(experiment text, metric text) RETURNS SETOF report_line
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT row_number() OVER (ORDER BY array_position(e.segments, r.segment), r.segment, r.value, v.place),
		   coalesce(r.value, 'unknown'), r.segment, r.variant, r.control, r.kind, r.n, r.n_control, r.estimate, r.estimate_control,
		   r.diff, r.diff_low, r.diff_high, r.lift, r.lift_low, r.lift_high, r.p_value, r.p_adjusted, r.method,
		   CASE WHEN r.p_adjusted < r.alpha AND r.diff <> 0
				THEN CASE WHEN better_sign(r.better) * r.diff > 0 THEN 'better' ELSE 'worse' END ELSE 'open' END,
		   NULL::float8
	FROM experiment_results_by_segment AS r
	JOIN experiments AS e ON e.experiment = r.experiment
	LEFT JOIN variants AS v ON v.experiment = r.experiment AND v.variant = r.variant
	WHERE r.experiment = report_segment_lines.experiment AND r.metric = report_segment_lines.metric;
END;
COMMENT ON FUNCTION report_segment_lines(text, text) IS 'the results of one metric in each segment';

CREATE TYPE report_axis AS (low float8, high float8, step float8);
COMMENT ON TYPE report_axis IS 'what a figure shows, from low to high, with a tick at every multiple of step';

CREATE FUNCTION report_step(x float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT p * CASE WHEN x <= p THEN 1 WHEN x <= 2 * p THEN 2 WHEN x <= 5 * p THEN 5 ELSE 10 END
	FROM (SELECT power(10::float8, floor(log(x)))) AS s (p);
END;
COMMENT ON FUNCTION report_step(float8) IS 'the smallest of 1, 2, 5 times a power of ten that is at least x';

CREATE FUNCTION report_axis(low float8, high float8, ticks integer) RETURNS report_axis
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT ROW(l - (h - l) / 25, h + (h - l) / 25, report_step((h - l) / ticks))::report_axis
	FROM (SELECT CASE WHEN high > low THEN low ELSE -0.01 END AS l, CASE WHEN high > low THEN high ELSE 0.01 END AS h) AS s;
END;
COMMENT ON FUNCTION report_axis(float8, float8, integer) IS 'an axis from low to high with about so many ticks';

-- A thin arm's interval may be a hundred times as wide as the others, which would shrink to dots beside it.  So the
-- axis ends at four times the usual (median) reach, and what goes on gets an arrow.
CREATE FUNCTION report_axis(lines report_line[], ticks integer) RETURNS report_axis
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT report_axis(greatest(min(v.v), -max(c.cap)), least(max(v.v), max(c.cap)), ticks)
	FROM (SELECT nullif(4 * percentile_disc(0.5) WITHIN GROUP (ORDER BY report_scale(l.lift, l.lift_low, l.lift_high)), 0) AS cap
		  FROM unnest(lines) AS l WHERE l.lift IS NOT NULL) AS c
	CROSS JOIN LATERAL (
		SELECT 0::float8 AS v
		UNION ALL SELECT x.x FROM unnest(lines) AS l CROSS JOIN LATERAL unnest(ARRAY[l.lift, l.lift_low, l.lift_high, l.margin]) AS x
		WHERE abs(x.x) < 1e100) AS v;
END;
COMMENT ON FUNCTION report_axis(report_line[], integer) IS 'the axis that these lines share';

CREATE FUNCTION report_place(x float8, axis report_axis) RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT least(greatest((x - (axis).low) / ((axis).high - (axis).low), 0), 1);
END;
COMMENT ON FUNCTION report_place(float8, report_axis) IS 'where on the axis: 0 is its low end, 1 its high one';

CREATE FUNCTION report_ticks(axis report_axis) RETURNS SETOF float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 6
BEGIN ATOMIC
	SELECT k * (axis).step FROM generate_series(ceil((axis).low / (axis).step)::bigint, floor((axis).high / (axis).step)::bigint) AS k;
END;
COMMENT ON FUNCTION report_ticks(report_axis) IS 'the numbers at its ticks';
