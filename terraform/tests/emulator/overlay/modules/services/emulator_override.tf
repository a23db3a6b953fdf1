# The emulator has no Application Auto Scaling.
resource "aws_appautoscaling_target" "this" {
  for_each = {}
}

resource "aws_appautoscaling_policy" "requests" {
  count = 0
}
