-- Reports: the same experiment for a terminal and as a page.
SET client_min_messages = warning;
CREATE EXTENSION expstat_registry;
SET timezone = 'UTC';
SET datestyle = ISO;
SET extra_float_digits = 0;
\set SHOW_CONTEXT never
CREATE SCHEMA report_test;
SET search_path = report_test, public;

CREATE TABLE exposures AS
SELECT i AS user_id, assign_variant(i::text, 'page', '{control,green,"<b>red</b> & ''co''"}') AS variant,
       timestamptz '2024-03-01 12:00' + i % 5 * interval '1 day' AS exposed_at,
       CASE WHEN assign_bucket(i::text, 'country') < 0.6 THEN 'DE' ELSE '<FR>' END AS country
FROM generate_series(1, 3000) AS i;
CREATE TABLE outcomes AS
SELECT user_id, exposed_at, assign_bucket(user_id::text, 'buys') < CASE variant WHEN 'green' THEN 0.4 WHEN 'control' THEN 0.25 ELSE 0.27 END AS bought,
       100 + 40 * assign_bucket(user_id::text, 'ms') + CASE variant WHEN 'green' THEN 0 WHEN 'control' THEN 0 ELSE 40 END AS ms,
       CASE WHEN variant = 'control' THEN 0 ELSE assign_bucket(user_id::text, 'likes') END AS likes
FROM exposures;

SELECT expstat.register_metric('buyers', 'proportion', 'outcomes', 'user_id', 'bought', 'exposed_at', description => 'bought something');
SELECT expstat.register_metric('likes', 'mean', 'outcomes', 'user_id', 'likes', 'exposed_at');
SELECT expstat.register_metric('load time', 'mean', 'outcomes', 'user_id', 'ms', 'exposed_at', role => 'guardrail', better => 'lower', margin => 0.05);
SELECT expstat.register_experiment('page', 'exposures', '{control,green,"<b>red</b> & ''co''"}', 'buyers', '{likes,load time}',
	segments => '{country}', starts => '2024-03-01', ends => '2024-03-08', planned_n => 900, time_zone => 'UTC', name => 'A "green" page',
	hypothesis => 'People like green & buy more. <script>alert(1)</script>');

-- Not yet.
SELECT expstat_report('page');
SELECT * FROM expstat_report_text('page');

SELECT count(*) FROM expstat.analyze('page', as_of => '2024-03-10');
INSERT INTO expstat.decisions VALUES
	('page', '2024-03-09 10:00', 'ana', 'keep running', NULL, 'too early', '{}'),
	('page', '2024-03-10 10:00', 'ana', 'ship', 'green', 'a clear win', '{}');

-- For a terminal: at most 100 columns, and ASCII but for what is the user's.
SELECT * FROM expstat_report_text('page');
SELECT max(char_length(report)) <= 100 AS fits, bool_and(octet_length(report) = char_length(report)) AS is_ascii FROM expstat_report_text('page');

-- The page: its headings, its tables, nothing from elsewhere.
CREATE TEMP TABLE page AS SELECT expstat_report('page') AS html;
SELECT m[1] AS level, m[2] AS heading FROM page, regexp_matches(html, '<h([1-6])(?: id="[a-z]+")?>([^\n]*)</h', 'g') AS m;
SELECT m[1] AS caption FROM page, regexp_matches(html, '<caption>(.*?)</caption>', 'g') AS m;
SELECT left(html, 32) AS start, right(html, 7) AS ends, octet_length(html) = char_length(html) AS is_ascii,
	   regexp_count(html, '(src|href|action)=|url\(|@import|https?:|<(script|link|iframe|object|form)', 1, 'i') AS from_elsewhere,
	   regexp_count(html, '<svg[^>]* role="img"') AS pictures, regexp_count(html, '<title') - 1 AS their_titles,
	   regexp_count(html, '<table') AS tables, regexp_count(html, '<caption') AS captions
FROM page;
SELECT m[1] AS lift FROM page, regexp_matches(html, '<td role="cell" class="num effect">(.*?)</td>', 'g') AS m LIMIT 6;
SELECT m[1] AS picture FROM page, regexp_matches(html, '<svg class="bar[^>]*><title>([^<]*)', 'g') AS m;
SELECT m[1] AS description FROM page, regexp_matches(html, '<desc[^>]*>([^<]*)', 'g') AS m;

-- As people write numbers.
SELECT x, expstat.report_number(x) AS number, expstat.report_percent(x, 2) AS lift, expstat.report_value(x, 'proportion') AS share,
	   expstat.report_diff(x, 'proportion') AS points
FROM unnest('{0,1e-300,0.000123456,0.0123456,-0.5,0.99999,1234.5678,-1e8,1e300,Infinity,-Infinity,NULL}'::float8[]) AS x;
SELECT p, expstat.report_p(p) AS as_text FROM unnest('{0,1e-300,0.00009999,0.0001,0.04996,1,NULL}'::float8[]) AS p;
SELECT x, expstat.report_decimals(x) AS decimals FROM unnest('{0,0.0005,0.0123,0.123,1.23,NULL}'::float8[]) AS x;
SELECT expstat.report_interval(0.1, -0.02, 'Infinity', 1, 2, 'mean') AS one_sided, expstat.report_interval(0.1, NULL, NULL, 1, 2, 'mean') AS no_interval,
	   expstat.report_interval(NULL, NULL, NULL, -1, 2, 'mean') AS no_lift, expstat.report_effect(NULL, NULL, NULL, NULL, 'mean') AS nothing;
SELECT low, high, (expstat.report_axis(low, high, 5)).*, (SELECT array_agg(t) FROM expstat.report_ticks(expstat.report_axis(low, high, 5)) AS t) AS ticks
FROM (VALUES (-0.1::float8, 0.4::float8), (0, 0), (-3, 1200)) AS v (low, high);
SELECT expstat.report_escape(E'<a href="x" onclick=''y''>&amp;\x01') AS escaped, expstat.report_label(' ') AS empty;
SELECT quote_literal(expstat.report_fit(t, 8)) AS fits FROM unnest(ARRAY['short', 'much too long', '']) AS t;
SELECT * FROM expstat.report_wrap('  - ', repeat('word ', 30) || repeat('x', 120));

-- Nothing to report.
SELECT expstat_report('pages');
SELECT * FROM expstat_report_text(NULL);
DELETE FROM expstat.states;
DELETE FROM expstat.timeline;
DELETE FROM expstat.health;
DELETE FROM expstat.decisions;
SELECT * FROM expstat_report_text('page');
SELECT m[1] AS heading FROM regexp_matches(expstat_report('page'), '<h[1-6](?: id="[a-z]+")?>([^\n]*)</h', 'g') AS m;

-- Nobody sees what is not theirs.
CREATE ROLE regress_report_reader;
SET ROLE regress_report_reader;
SELECT expstat_report('page');
SELECT * FROM expstat_report_text('page');
RESET ROLE;
DROP ROLE regress_report_reader;

-- The two functions belong to the extension, wherever expstat is.
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA report_test CASCADE;
DROP EXTENSION expstat_registry;
DROP SCHEMA expstat;
SELECT count(*) AS left_behind FROM pg_proc WHERE proname LIKE 'expstat_report%';
