// Package iam evaluates IAM policies as AWS does, and compares the calls of a
// component with the policy of its role: a denied call and an unused permission are
// both errors.
//
// It follows the IAM User Guide, "IAM JSON policy element reference" and "Policy
// evaluation logic", for the policies of one role in one account:
//
//   - Everything is denied unless a statement allows it; a matching Deny takes
//     precedence.
//   - Action is case-insensitive, Resource is case-sensitive; * is any text, ? one
//     character. In the first five parts of an ARN a * matches beyond
//     the colon only where it ends the part.
//   - All operators and keys of a Condition must hold, any value of a key does; a
//     key that the request lacks fails, and satisfies ...IfExists and ...Not....
//
// Not supported, and rejected if a policy contains it: NotAction, NotResource,
// policy variables (${aws:...}), ForAllValues and ForAnyValue, numbers, dates and
// addresses in conditions, Principal (this reads policies of identities, not of
// resources), permissions boundaries and service control policies.
package iam
