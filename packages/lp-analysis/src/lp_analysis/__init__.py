"""What is done with predictions of keypoints: metrics, figures, reports, labelled videos.

Importing this package imports nothing else; take what you need from its modules.
"""
