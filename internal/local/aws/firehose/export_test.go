package firehose

// Kill stops the server like a crash: undelivered records stay on disk.
func (s *Server) Kill() error {
	s.stopDelivering()
	return s.Close()
}

// CompletePrefixes and Evaluate are exported for tests of the prefix rules.
var (
	CompletePrefixes = completePrefixes
	Evaluate         = evaluate
)
