-- FarmHash Fingerprint64: BigQuery documents FARM_FINGERPRINT of
-- CONCAT('1', 'foo', 'true') as -1541654101129638711, of '2' 'apple' 'false'
-- as 2794438866806483259, and of '3' '' 'true' as -4880158226897771312.
SELECT farm_fingerprint('1footrue'), farm_fingerprint('2applefalse'), farm_fingerprint('3true');
SELECT farm_fingerprint('2applefalse'::bytea) = farm_fingerprint('2applefalse') AS same, farm_fingerprint(NULL::text);

-- A bucket is the top 53 bits of the fingerprint of salt ':' unit over 2^53.
SELECT assign_bucket('user-1', 'exp-7') =
	((('x' || lpad(to_hex(farm_fingerprint('exp-7:user-1')), 16, '0'))::bit(64) >> 11)::bigint / 2.0 ^ 53)::float8 AS as_defined;
SELECT assign_bucket(repeat('x', 10000), 'salt') BETWEEN 0 AND 1 AS long, assign_bucket('', '') AS empty,
	assign_bucket(NULL, 'salt') AS no_unit;

-- The shares asked for, in a million units.
SELECT variant, round(count(*) / 1e6, 2) AS share
FROM (SELECT assign_variant(i::text, 'exp-7', '{control,A,B}', '{2,1,1}') AS variant FROM generate_series(1, 1000000) i) a
GROUP BY 1 ORDER BY 1;
SELECT coalesce(variant, '(not in)') AS variant, round(count(*) / 1e5, 2) AS share
FROM (SELECT assign_variant(i::text, 'exp-7', '{control,A}', coverage => 0.5) AS variant FROM generate_series(1, 100000) i) a
GROUP BY 1 ORDER BY 1;

-- Raising the coverage moves nobody.
SELECT count(*) FILTER (WHERE small <> large) AS moved, count(*) FILTER (WHERE small IS NOT NULL AND large IS NULL) AS lost,
	count(large) > count(small) AS grew, count(*) FILTER (WHERE whole IS NULL) AS without
FROM (SELECT assign_variant(u, 's', '{a,b,c}', '{3,2,1}', 0.05) AS small, assign_variant(u, 's', '{a,b,c}', '{3,2,1}', 0.5) AS large,
	assign_variant(u, 's', '{a,b,c}', '{3,2,1}') AS whole FROM generate_series(1, 10000) i, CAST(i AS text) u) a;

-- Arguments that change from row to row.
SELECT assign_variant('user-1', 's', ARRAY['a' || i, 'b' || i], coverage => c)
FROM (VALUES (1, 1.0), (2, 1.0), (3, 0.0)) t (i, c);
SELECT assign_variant(NULL, 's', '{a,b}') AS no_unit;

SELECT assign_bucket('u', 's', 'md5');
SELECT assign_variant('u', NULL, '{a,b}');
SELECT assign_variant('u', 's', NULL);
SELECT assign_variant('u', 's', '{}');
SELECT assign_variant('u', 's', '{a,NULL}');
SELECT assign_variant('u', 's', '{a,b,a}');
SELECT assign_variant('u', 's', '{a,b}', '{1}');
SELECT assign_variant('u', 's', '{a,b}', '{1,NULL}');
SELECT assign_variant('u', 's', '{a,b}', '{1,0}');
SELECT assign_variant('u', 's', '{a,b}', '{1,Infinity}');
SELECT assign_variant('u', 's', '{a,b}', coverage => 1.5);
SELECT assign_variant('u', 's', '{a,b}', coverage => NULL);
