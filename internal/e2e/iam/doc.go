// Package iam reads IAM policies, decides what they allow as AWS does, and holds
// the calls that a component makes against the policy of its role: a call that is
// not allowed and a permission that no call needs are both defects.
//
// It follows the IAM User Guide, "IAM JSON policy element reference" and "Policy
// evaluation logic", for the policies of one role in one account:
//
//   - Everything is denied unless a statement allows it; a Deny that matches wins.
//   - Action matches without regard to case, Resource with regard to it; * is any
//     text, ? one character. In the first five parts of an ARN a * matches beyond
//     the colon only where it ends the part.
//   - All operators and keys of a Condition must hold, any value of a key does; a
//     key that the request lacks fails, and satisfies ...IfExists and ...Not....
//
// Left out, and refused when a policy has it, so that nothing is judged by half:
// NotAction, NotResource, policy variables (${aws:...}), ForAllValues and
// ForAnyValue, numbers, dates and addresses in conditions, Principal (this reads
// policies of identities, not of resources), boundaries and organisations' policies.
package iam
