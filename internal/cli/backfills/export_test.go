package backfills

// PrintPlan is printPlan.
var PrintPlan = printPlan

// PrintBackfill is printBackfill.
var PrintBackfill = printBackfill

// RefreshOutcome is what a refresh prints with -o json.
type RefreshOutcome = refreshOutcome
