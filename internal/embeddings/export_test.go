package embeddings

// CheckFooter is exported for the fuzz test.
var CheckFooter = checkFooter
