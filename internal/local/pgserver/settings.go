package pgserver

// settings is appended to postgresql.conf by Init. It is meant for a laptop with
// two cores that also runs the rest of the stack; an RDS instance has these in its
// parameter group.
//
// wal_level is minimal because nothing replicates this server: a new index is then
// written once and synced at commit rather than written twice. Crash safety is
// unaffected.
func (s *Server) settings() string {
	conf := `
# recflow
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = scram-sha-256
max_connections = 100
shared_buffers = 256MB
work_mem = 16MB
max_worker_processes = 8
max_parallel_workers = 2
max_parallel_workers_per_gather = 2
max_parallel_maintenance_workers = 2
wal_level = minimal
max_wal_senders = 0
wal_compression = on
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
effective_cache_size = 2GB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = -1
log_statement = none
# Statements and their values may name users.
log_min_error_statement = panic
log_error_verbosity = terse
log_line_prefix = '%m [%p] %a '
`
	if s.Unsafe {
		conf += `
fsync = off
full_page_writes = off
shared_buffers = 128MB
`
	}
	return conf
}
