package streams

// StreamStatus is the output of status with -o json.
type StreamStatus = streamStatus
