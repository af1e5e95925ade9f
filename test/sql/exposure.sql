-- One log with every fault, small enough to count by hand.
\pset null (null)
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE TEMP TABLE log (id int, arm text, at timestamptz, platform text);
INSERT INTO log VALUES
	(1, 'control', '2026-01-01 10:00', 'ios'), (1, 'control', '2026-01-02 10:00', 'web'),
	(2, 'treatment', '2026-01-01 11:00', 'web'), (2, 'control', '2026-01-03 11:00', 'web'),
	(3, 'treatment', '2026-01-02 12:00', 'ios'), (3, 'treatment', '2025-12-31 12:00', 'ios'),
	(4, 'other', '2026-01-02 13:00', 'web'), (5, NULL, '2026-01-02 14:00', 'web'), (6, 'control', NULL, 'ios'),
	(NULL, 'control', '2026-01-01 10:00', 'web'), (7, 'treatment', '2026-02-01', NULL);

SELECT id, (first_exposure(arm, at, ARRAY[platform])).* FROM log GROUP BY id ORDER BY id;
SELECT * FROM first_exposures('log', 'id', 'arm', 'at') ORDER BY unit;
SELECT * FROM first_exposures('log', 'id', 'arm', 'at', crossovers => 'keep_first', starts => '2026-01-01', ends => '2026-02-01') ORDER BY unit;
\set VERBOSITY terse
SELECT * FROM first_exposures('log', 'id', 'arm', 'at', crossovers => 'fail');
\set VERBOSITY default
SELECT * FROM exposure_crossovers('log', 'id', 'arm', 'at');
SELECT * FROM exposures_outside('log', 'id', 'arm', 'at', '2026-01-01', '2026-02-01') ORDER BY unit;
CREATE TEMP TABLE assigned AS SELECT i AS id, CASE WHEN i % 2 = 1 THEN 'control' ELSE 'treatment' END AS arm FROM generate_series(1, 9) i;
SELECT * FROM assigned_not_exposed('assigned', 'id', 'arm', 'log', 'id') ORDER BY unit;
SELECT check_name, status, round(value::numeric, 4) AS value, threshold, detail
FROM exposure_health('log', 'id', 'arm', 'at', '{control,treatment}', salt => 's', starts => '2026-01-01', ends => '2026-02-01',
	segments => '{platform}', assignments => 'assigned');

-- A mismatch on one platform: it, and nothing else, drives it.
CREATE TEMP TABLE split AS
SELECT i AS id, CASE WHEN i % 2 = 0 THEN 'control' ELSE 'treatment' END AS arm, '2026-01-01'::timestamptz + i / 2 % 4 * interval '1 day' AS at,
	(ARRAY['ios', 'android', 'web'])[1 + i % 3] AS platform
FROM generate_series(1, 6000) i WHERE NOT (i % 3 = 0 AND i % 2 = 1 AND i % 5 = 0);
SELECT segment, value, n, observed, expected, round(chi2::numeric, 4) AS chi2, p_value::numeric(8, 6), p_adjusted::numeric(8, 6),
	p_value_rest::numeric(8, 6), driver
FROM srm_by_segment('split', 'id', 'arm', 'at', '{platform}', '{control,treatment}');
SELECT day, n, observed, round(chi2::numeric, 4) AS chi2, p_value::numeric(8, 6), n_so_far, observed_so_far, p_sequential::numeric(8, 6)
FROM srm_by_day('split', 'id', 'arm', 'at', '{control,treatment}');
SELECT check_name, status, value::numeric(10, 8), detail
FROM exposure_health('split', 'id', 'arm', 'at', '{control,treatment}', segments => '{platform}', alpha => 0.01)
WHERE check_name LIKE 'srm%';

-- One client fires always.
CREATE TEMP TABLE firing AS
SELECT id, arm, at + n * interval '1 minute' AS at, platform FROM split, generate_series(1, CASE platform WHEN 'web' THEN 20 ELSE 1 + id % 2 END) n;
SELECT segment, value, units, exposures, round(per_unit::numeric, 2) AS per_unit, round(per_unit_rest::numeric, 2) AS rest, always_fire
FROM exposure_duplicates('firing', 'id', 'arm', 'at', '{platform}');

-- Whose is a device?
CREATE TEMP TABLE logins (device int, person text, at timestamptz);
INSERT INTO logins VALUES (1, 'ann', '2026-01-05'), (3, 'bob', '2026-01-05'), (4, 'bob', '2026-01-05'), (4, 'eve', '2026-01-04');
SELECT * FROM person_exposures('log', 'id', 'arm', 'at', 'logins', 'device', 'person', 'at') ORDER BY unit;

-- Errors say what is wrong, and what would be right.
\set VERBOSITY default
SELECT * FROM first_exposures('log', 'user', 'arm', 'at');
SELECT * FROM first_exposures('nowhere', 'id', 'arm', 'at');
SELECT * FROM first_exposures('log', 'id', 'arm', 'platform');
SELECT * FROM first_exposures('log', 'id', 'arm', 'at', crossovers => 'first');
SELECT * FROM first_exposures('log', 'id', 'arm', 'at', starts => '2026-02-01', ends => '2026-01-01');
SELECT * FROM exposure_health('log', 'id', 'arm', 'at', '{control,treatment}', segments => '{browser}');
SELECT * FROM exposure_health('log', 'id', 'arm', 'at', '{control,treatment}', alpha => 5);
