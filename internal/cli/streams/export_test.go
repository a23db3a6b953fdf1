package streams

// StreamStatus is what status prints with -o json.
type StreamStatus = streamStatus
