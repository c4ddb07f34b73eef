"""Draw who can assume which role, escalations, and how a goal is reached: SVG, Mermaid, and OpenGraph for BloodHound.

The input is answers of `questions` and `escalations`; the output is text. Imports both and `facts`; imported by `cli`.
"""
