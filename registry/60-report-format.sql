-- Reports: how numbers, times and labels are written for people.

-- Numbers are plain ASCII, for a page and a terminal alike; NULL is a dash.

CREATE FUNCTION report_number(x float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN x IS NULL THEN '-'
		WHEN abs(x) = 'Infinity' THEN CASE WHEN x < 0 THEN '-inf' ELSE 'inf' END
		WHEN x <> 0 AND (abs(x) >= 1e9 OR abs(x) < 1e-4) THEN btrim(to_char(x::numeric, '9.999EEEE'))
		ELSE to_char(x::numeric, 'FM999,999,999,990' || CASE WHEN d > 0 THEN '.' || repeat('0', d) ELSE '' END) END
	FROM (SELECT CASE WHEN x = 0 OR abs(x) = 'Infinity' THEN 0 ELSE greatest(0, 3 - floor(log(abs(x)))::integer) END AS d) AS digits;
END;
COMMENT ON FUNCTION report_number(float8) IS 'a number with four digits, or all before the point: 12,345 or 0.1062';

CREATE FUNCTION report_decimals(scale float8) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN scale >= 1 THEN 0 WHEN scale >= 0.1 THEN 1 WHEN scale >= 0.001 OR scale = 0 OR scale IS NULL THEN 2 ELSE 4 END;
END;
COMMENT ON FUNCTION report_decimals(float8) IS 'decimals of percentages of this size (1 is 100 %)';

CREATE FUNCTION report_percent(x float8, decimals integer, unit text DEFAULT '%') RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN x IS NULL THEN '-'
		WHEN abs(x) = 'Infinity' OR abs(x) >= 1e7 THEN CASE WHEN x > 0 THEN '+' ELSE '' END || report_number(100 * x)
		ELSE to_char((100 * x)::numeric, 'FMSG999,999,990' || CASE WHEN decimals > 0 THEN '.' || repeat('0', decimals) ELSE '' END) END
		|| CASE WHEN abs(x) = 'Infinity' OR x IS NULL THEN '' ELSE ' ' || unit END;
END;
COMMENT ON FUNCTION report_percent(float8, integer, text) IS 'a change with its sign: 0.0533 is +5.33 %; unit: % or, for differences of shares, pp';

-- A share reads as a percentage; what changes it, in percentage points.
CREATE FUNCTION report_value(x float8, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN kind = 'proportion' THEN ltrim(report_percent(x, report_decimals(least(abs(x), 0.05))), '+') ELSE report_number(x) END;
END;
COMMENT ON FUNCTION report_value(float8, text) IS 'the value of a metric of this kind';

CREATE FUNCTION report_diff(x float8, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN kind = 'proportion' THEN report_percent(x, report_decimals(least(abs(x), 0.05)), 'pp')
				ELSE CASE WHEN x > 0 THEN '+' ELSE '' END || report_number(x) END;
END;
COMMENT ON FUNCTION report_diff(float8, text) IS 'a difference in a metric of this kind, with its sign';

CREATE FUNCTION report_p(p float8) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN p IS NULL THEN '-' WHEN p < 0.0001 THEN '< 0.0001' ELSE to_char(p::numeric, 'FM0.0000') END;
END;
COMMENT ON FUNCTION report_p(float8) IS 'a p-value';

CREATE FUNCTION report_time(t timestamptz, time_zone text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT replace(to_char(timezone(time_zone, t), 'YYYY-MM-DD HH24:MI'), ' 00:00', '');
END;
COMMENT ON FUNCTION report_time(timestamptz, text) IS 'a time to the minute, in this time zone; midnight as the day alone';

-- An estimate and the ends of its interval are written with the same decimals.
CREATE FUNCTION report_scale(x float8, low float8, high float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT max(abs(v)) FROM unnest(ARRAY[x, low, high]) AS v WHERE abs(v) < 'Infinity';
END;
COMMENT ON FUNCTION report_scale(float8, float8, float8) IS 'the largest of three, in size, that is finite';

CREATE FUNCTION report_effect(lift float8, low float8, high float8, diff float8, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN lift IS NULL THEN report_diff(diff, kind) ELSE report_percent(lift, report_decimals(report_scale(lift, low, high))) END;
END;
COMMENT ON FUNCTION report_effect(float8, float8, float8, float8, text) IS 'the lift, or without one (the control''s value is 0) the difference';

CREATE FUNCTION report_interval(lift float8, low float8, high float8, diff_low float8, diff_high float8, kind text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
		WHEN lift IS NULL AND (diff_low IS NULL OR diff_high IS NULL) OR lift IS NOT NULL AND (low IS NULL OR high IS NULL) THEN '-'
		WHEN lift IS NULL THEN report_diff(diff_low, kind) || ' to ' || report_diff(diff_high, kind)
		ELSE report_percent(low, d) || ' to ' || report_percent(high, d) END
	FROM (SELECT report_decimals(report_scale(lift, low, high)) AS d) AS s;
END;
COMMENT ON FUNCTION report_interval(float8, float8, float8, float8, float8, text) IS 'the interval of the lift, or without one of the difference';
