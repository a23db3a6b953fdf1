package backfills

// PrintPlan is printPlan.
var PrintPlan = printPlan
