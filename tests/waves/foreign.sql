-- A ticketing and warehouse database that no part of the project knows: one of everything that is hard to move.
CREATE SCHEMA tickets;
CREATE SCHEMA "Lager Süd";
CREATE SCHEMA "dotted.name";
CREATE TYPE tickets.mood AS ENUM ('calm', 'cross', 'ça va');
CREATE TYPE tickets.place AS (street text, "no." int, at point);
CREATE DOMAIN tickets.amount AS numeric(12,3) CHECK (VALUE > -1000000);
CREATE DOMAIN tickets.fee AS tickets.amount;
CREATE DOMAIN tickets.code AS char(6);

CREATE TABLE tickets.desk (id serial PRIMARY KEY, name varchar(40) NOT NULL, cash bigint NOT NULL);
INSERT INTO tickets.desk (name, cash) SELECT 'desk ' || i, 10000 FROM generate_series(1, 50) i;

-- Every carrier: exact types and those that Iceberg lacks.
CREATE TABLE tickets.odds (
  id bigint PRIMARY KEY,
  free numeric, wide numeric(60,20), narrow numeric(3,-2), fits numeric(38,10), may_be_nan numeric(10,2),
  ratio double precision, share real,
  span interval, during tstzrange, "between" int4range[], tags text[], grid int[][],
  host inet, net cidr, mac macaddr, flags bit(5), mask varbit, price money, mood tickets.mood, moods tickets.mood[],
  place tickets.place, spot point, area polygon, paid tickets.fee, code tickets.code, pad char(4), "char" "char",
  at_time time(3), at_zone timetz, ref uuid, doc json, docb jsonb, query tsquery, words tsvector, pos pg_lsn, owner oid,
  day date, at timestamp, instant timestamptz, valid_to date, yes boolean, raw bytea,
  twice bigint GENERATED ALWAYS AS (id * 2) STORED
);
INSERT INTO tickets.odds (id, free, wide, narrow, fits, may_be_nan, ratio, share, span, during, "between", tags, grid, host, net, mac, flags,
  mask, price, mood, moods, place, spot, area, paid, code, pad, "char", at_time, at_zone, ref, doc, docb, query, words, pos, owner,
  day, at, instant, valid_to, yes, raw)
SELECT i, CASE i % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' WHEN 3 THEN 1.10 ELSE 12345678901234567890123456789012345678901234567890.1 END,
  i / 3.0, i * 100, 1.0 / i, CASE i % 7 WHEN 0 THEN 'NaN' ELSE i::numeric END,
  CASE i % 6 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-0' ELSE 0.1::float8 * i END, (1.0 / i)::real,
  make_interval(months => i, secs => i / 7.0), tstzrange('2026-01-01Z', CASE WHEN i % 2 = 0 THEN 'infinity' END::timestamptz),
  ARRAY[int4range(i, i + 3)], ARRAY['a,b', 'q"u', NULL, 'ü' || i], ARRAY[[i, 1], [2, 3]],
  ('10.0.0.' || i % 200)::inet, '10.1.0.0/16', '08:00:2b:01:02:03', (i % 32)::bit(5), B'101', (i * 1.5)::numeric::money,
  (ARRAY['calm', 'cross', 'ça va'])[1 + i % 3]::tickets.mood, ARRAY['calm']::tickets.mood[],
  CASE i % 3 WHEN 1 THEN ROW(NULL, NULL, NULL)::tickets.place WHEN 2 THEN ROW('Weg "' || i || '"', i, point(1, 2))::tickets.place END,
  point(0.1, i), '((0,0),(1,1),(1,0))', i / 8.0, 'c' || i, 'p', 'x', '24:00', '10:00:00.5+02', md5(i::text)::uuid, '{"b": 1,  "a": [1,2]}', '{"b": 1, "a": [1,2]}',
  'fat & rat', to_tsvector('simple', 'one two ' || i), '16/B374D848', 42,
  '2026-01-01'::date + i, '2026-01-01 10:00:00.000001'::timestamp + make_interval(days => i), '2026-01-01Z'::timestamptz + make_interval(days => i),
  CASE i % 4 WHEN 0 THEN 'infinity' WHEN 1 THEN '0044-03-15 BC' ELSE '2026-01-01' END::date, i % 2 = 0, decode(md5(i::text), 'hex')
FROM generate_series(1, 120) i;
INSERT INTO tickets.odds (id) VALUES (1000);

-- No key, with floats and duplicates.
CREATE TABLE tickets.visits (who text, mood tickets.mood, ratio double precision, at timestamptz, note json);
INSERT INTO tickets.visits SELECT 'v' || i % 9, 'calm', CASE i % 3 WHEN 0 THEN '-0'::float8 WHEN 1 THEN 0.0 ELSE i % 4 END, '2026-01-01Z', NULL FROM generate_series(1, 200) i;

-- Partitioned by range and below that by list; with a key, and without one.
CREATE TABLE tickets.sale (id bigint GENERATED ALWAYS AS IDENTITY, day date, desk int REFERENCES tickets.desk, amount numeric(10,2), PRIMARY KEY (id, day, desk)) PARTITION BY RANGE (day);
CREATE TABLE tickets.sale_h1 PARTITION OF tickets.sale FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE tickets.sale_h2 PARTITION OF tickets.sale FOR VALUES FROM ('2026-07-01') TO ('2027-01-01') PARTITION BY LIST (desk);
CREATE TABLE tickets.sale_h2_a PARTITION OF tickets.sale_h2 FOR VALUES IN (1, 2);
CREATE TABLE tickets.sale_h2_b PARTITION OF tickets.sale_h2 DEFAULT;
INSERT INTO tickets.sale (day, desk, amount) SELECT '2026-01-01'::date + i, 1 + i % 50, i FROM generate_series(0, 360) i;
CREATE TABLE tickets.log (line text, kind int) PARTITION BY LIST (kind);
CREATE TABLE tickets.log_1 PARTITION OF tickets.log FOR VALUES IN (1);
CREATE TABLE tickets.log_rest PARTITION OF tickets.log DEFAULT;
INSERT INTO tickets.log SELECT 'line ' || i % 20, i % 3 FROM generate_series(1, 90) i;

-- Names: capitals, blanks, dots, quotes, other scripts; one table name in three schemas; a composite key of text.
CREATE TABLE "Lager Süd".desk (id int PRIMARY KEY, name text);
INSERT INTO "Lager Süd".desk VALUES (1, 'same table name, other schema');
CREATE TABLE "Lager Süd"."Artikel Nr.1" ("Größe (m²)" numeric, "a.b" text, "select" int, "q""t" text, "日本語" text, "tick`s" text, "c,d%" text,
  "Ord No" text, "😀" text, PRIMARY KEY ("Ord No", "a.b"));
INSERT INTO "Lager Süd"."Artikel Nr.1" SELECT i * 1.50, 'k' || i, i, NULL, '値', 't', repeat('x', 3000), 'o''"' || i, 'e' FROM generate_series(1, 40) i;
CREATE TABLE "dotted.name"."desk" (id int PRIMARY KEY);
INSERT INTO "dotted.name"."desk" VALUES (7);
CREATE TABLE "dotted.name"."x.y" (id uuid PRIMARY KEY, body text);
INSERT INTO "dotted.name"."x.y" SELECT gen_random_uuid(), (SELECT string_agg(md5(i || '.' || j), '') FROM generate_series(1, 60000) j) FROM generate_series(1, 6) i; -- 1.9 MB each
CREATE TABLE public.empty (id int PRIMARY KEY, note text);
CREATE TABLE public.loose (id numeric PRIMARY KEY, note text);
INSERT INTO public.loose SELECT i * 1.0, 'n' FROM generate_series(1, 30) i;
