-- Tables and partitioned roots, with what the catalogs say about each. Partitions and what cutwater made itself are left out.
-- Sizes and partition trees lock what they look at: a table that is (to be) locked exclusively is only named.
WITH locked AS (
  SELECT relation AS oid, min(pid) AS pid
    FROM pg_locks
   WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   GROUP BY relation
)
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind = 'p' AS partitioned,
       c.relpersistence = 'u' AS unlogged,
       CASE WHEN l.oid IS NULL AND c.relkind = 'p'
                 AND EXISTS (SELECT 1 FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf AND p.relreplident <> c.relreplident)
            THEN 'mixed'
            ELSE CASE c.relreplident WHEN 'd' THEN 'default' WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' ELSE 'index' END END AS replica_identity,
       l.pid AS locked_by,
       CASE WHEN l.oid IS NULL THEN pg_get_partkeydef(c.oid) END AS partition_key,
       CASE WHEN l.oid IS NULL AND c.relkind = 'p'
            THEN (SELECT count(*) FROM pg_partition_tree(c.oid) t WHERE t.isleaf) ELSE 0 END AS partitions,
       CASE WHEN l.oid IS NOT NULL THEN 0
            WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint FROM pg_partition_tree(c.oid) t WHERE t.isleaf)
            ELSE pg_total_relation_size(c.oid) END AS bytes,
       CASE WHEN l.oid IS NULL AND c.relkind = 'p'
            THEN (SELECT coalesce(sum(greatest(p.reltuples, 0)), 0)::bigint
                    FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf)
            ELSE c.reltuples::bigint END AS estimate,
       has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable,
       s.n_tup_ins AS inserted,
       s.n_tup_upd AS updated,
       s.n_tup_del AS deleted
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN locked l ON l.oid = c.oid
  LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence <> 't'
   AND NOT c.relispartition
   AND n.nspname <> 'information_schema'
   AND n.nspname !~ '^(pg_|cutwater)'
   AND (cardinality(%(schemas)s::text[]) = 0 OR n.nspname = ANY (%(schemas)s::text[]))
 ORDER BY n.nspname, c.relname
