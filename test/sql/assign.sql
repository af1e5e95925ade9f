-- FarmHash Fingerprint64: BigQuery documents FARM_FINGERPRINT of
-- CONCAT('1', 'foo', 'true') as -1541654101129638711, of '2' 'apple' 'false'
-- as 2794438866806483259, and of '3' '' 'true' as -4880158226897771312.
SELECT farm_fingerprint('1footrue'), farm_fingerprint('2applefalse'), farm_fingerprint('3true');
SELECT farm_fingerprint('2applefalse'::bytea) = farm_fingerprint('2applefalse') AS same, farm_fingerprint(NULL::text);

-- MurmurHash3 and FNV-1a, unsigned, and the first 15 digits of SHA-1, of vectors
-- that hajimes/mmh3, lcn2/fnv and FIPS 180 (a9993e364706816) publish.
SELECT murmur3_32('foo'), murmur3_32(''), murmur3_32('', 1), murmur3_32('', seed => -1) AS seed_ffffffff, murmur3_32('\xffffffff'::bytea);
-- A seed from 2^31 on is the integer of the same bits; 5a97808a is a published vector.
SELECT to_hex(murmur3_32('aaaa', x'9747b28c'::int)) AS hexadecimal, to_hex(murmur3_32('aaaa', seed::bit(32)::int)) AS from_bigint,
	   seed::bit(32)::int = seed - 4294967296 AS same
FROM (VALUES (2538058380)) v (seed);
SELECT fnv1a_32(''), fnv1a_32('a'), fnv1a_32('foobar'), fnv1a_32('\x00'::bytea), to_hex(sha1_60('abc')), sha1_60('abc'::bytea) = sha1_60('abc') AS same;

-- A bucket is the top 53 bits of the fingerprint of salt ':' unit over 2^53.
SELECT assign_bucket('user-1', 'exp-7') =
	((('x' || lpad(to_hex(farm_fingerprint('exp-7:user-1')), 16, '0'))::bit(64) >> 11)::bigint / 2.0 ^ 53)::float8 AS as_defined;
SELECT assign_bucket(repeat('x', 10000), 'salt') BETWEEN 0 AND 1 AS long, assign_bucket('', '') AS empty,
	assign_bucket(NULL, 'salt') AS no_unit;

-- The buckets of flag services, as they publish them themselves.
SELECT assign_bucket('a', 'b', 'growthbook') AS growthbook, assign_bucket('ab', 'foo', 'growthbook_v2') AS v2,
	assign_bucket('userKeyA', 'hashKey.saltyA', 'launchdarkly') AS launchdarkly, assign_bucket('userKeyA', '61', 'launchdarkly') AS seeded;
SELECT assign_bucket('123', 'gr1', 'unleash') AS unleash, assign_bucket('ppid1', '1886780721', 'optimizely') AS optimizely,
	assign_bucket('input', 'test', 'eppo') AS eppo,
	assign_bucket('random', 'f8aeba58-18fb-4f36-9bbd-4c611447a912', 'statsig_user_bucket') AS statsig;
SELECT assign_variant('42', 'mtsalt.x', '{c1,c2,c3}', '{20,40,60}', method => 'planout') AS planout,
	assign_variant('jack', 'fractional-flag', '{clubs,diamonds,hearts,spades}', method => 'flagd') AS flagd,
	assign_variant('3', 'my-test', '{0,1}', coverage => 0.4, method => 'growthbook') AS growthbook;

-- Empty strings, a character of four bytes, and ten kilobytes.
SELECT method, assign_bucket('', '', method) AS empty, round(assign_bucket(chr(129418), 's', method)::numeric, 4) AS four,
	round(assign_bucket(repeat('x', 10000), 's', method)::numeric, 4) AS long
FROM unnest('{farm_fingerprint,growthbook,growthbook_v1,growthbook_v2,launchdarkly,unleash,unleash_variant,optimizely,eppo,statsig,statsig_user_bucket,planout,flagd}'::text[]) AS method;

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

-- A holdout, then a layer of exclusive experiments; adding one moves nobody.
SELECT before, after, round(count(*) / 1e5, 2) AS share
FROM (SELECT assign_layer(u, 'search', '{ranking,speed}', '{{0,0.3},{0.3,0.5}}', holdout => 0.1) AS before,
	assign_layer(u, 'search', '{ranking,speed,images}', '{{0,0.3},{0.3,0.5},{0.8,1}}', holdout => 0.1) AS after
	FROM generate_series(1, 100000) i, CAST(i AS text) u) a
GROUP BY 1, 2 ORDER BY 1, 2;

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
SELECT assign_variant('u', 's', '{a,b}', method => 'murmur');
SELECT assign_variant('u', 's', '{a,b}', method => NULL);
SELECT assign_layer('u', 'l', '{a,b}', '{{0,0.5}}');
SELECT assign_layer('u', 'l', '{a,b}', '{{0,0.5},{0.4,1}}');
SELECT assign_layer('u', 'l', '{a,b}', '{{0,0.5},{1,0.5}}');
SELECT assign_layer('u', 'l', '{a,b}', '{{0,0.5},{0.5,NULL}}');
SELECT assign_layer('u', 'l', '{a}', '{{0,1}}', holdout => 2);
SELECT assign_layer('u', 'l', '{a}', '{{0,1}}', holdout => 0.1, holdout_salt => 'l');
SELECT assign_layer('u', NULL, '{a}', '{{0,1}}');
