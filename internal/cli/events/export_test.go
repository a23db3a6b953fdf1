package events

// SendReport is what send prints with -o json.
type SendReport = sendReport
