variable "architecture" {
  description = "Processor of this machine: the function runs here."
  type        = string
}
