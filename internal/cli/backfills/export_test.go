package backfills

// PrintPlan is printPlan.
var PrintPlan = printPlan

// RefreshOutcome is what a refresh prints with -o json.
type RefreshOutcome = refreshOutcome
