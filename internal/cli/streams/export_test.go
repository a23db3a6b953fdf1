package streams

// What the commands print with -o json.
type (
	StreamQuality = streamQuality
	StreamStatus  = streamStatus
)
