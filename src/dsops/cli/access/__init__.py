"""The commands `dsops access ...`: who can reach what in an organization.

Input: questions from arguments, and facts from files; output: answers as text or JSON. Only `dsops.cli` imports this
package.
"""
