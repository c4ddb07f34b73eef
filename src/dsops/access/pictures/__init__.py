"""Draw who can assume which role, and how a goal is reached: SVG, Mermaid, and OpenGraph for BloodHound.

The input is answers of `questions`; the output is text. Imports `facts` and `questions`; imported by `cli`.
"""
