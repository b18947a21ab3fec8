-- Facts of the server and the database that a migration has to know.
SELECT jsonb_build_object(
  'version', current_setting('server_version'),
  'database', current_database(),
  'wal_level', current_setting('wal_level'),
  'max_replication_slots', current_setting('max_replication_slots')::int,
  'in_recovery', pg_is_in_recovery(),
  'encoding', current_setting('server_encoding'),
  'extensions', (SELECT jsonb_agg(extname ORDER BY extname) FROM pg_extension),
  'slots', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', slot_name, 'plugin', plugin, 'active', active, 'wal_status', wal_status)
              ORDER BY slot_name), '[]') FROM pg_replication_slots WHERE database = current_database()),
  'publications', (SELECT coalesce(jsonb_agg(pubname ORDER BY pubname), '[]') FROM pg_publication),
  'roles', (SELECT jsonb_agg(jsonb_build_object('name', rolname, 'login', rolcanlogin, 'superuser', rolsuper, 'replication', rolreplication)
              ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'),
  'applications', (SELECT coalesce(jsonb_agg(DISTINCT application_name), '[]') FROM pg_stat_activity
              WHERE datname = current_database() AND application_name <> '' AND application_name !~ '^cutwater'),
  'sequences', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', schemaname || '.' || sequencename, 'last_value', last_value) ORDER BY 1), '[]')
              FROM pg_sequences WHERE schemaname !~ '^(pg_|cutwater)'),
  'counters_since', (SELECT coalesce(stats_reset, pg_postmaster_start_time()) FROM pg_stat_database WHERE datname = current_database())
)
