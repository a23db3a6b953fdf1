package firehose

// Kill ends the server as a crash would: what is not delivered stays on disk.
func (s *Server) Kill() error {
	s.stopDelivering()
	return s.Close()
}

// CompletePrefixes, Evaluate: for tests of the rules of prefixes.
var (
	CompletePrefixes = completePrefixes
	Evaluate         = evaluate
)
