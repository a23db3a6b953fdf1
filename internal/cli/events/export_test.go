package events

// SendReport is the output of send with -o json.
type SendReport = sendReport
