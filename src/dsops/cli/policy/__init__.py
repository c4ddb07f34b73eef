"""The commands `dsops policy check`, `simulate` and `generate`.

Input: policies and questions from arguments and files; output: findings and decisions. Only `dsops.cli` imports this
package.
"""
