"""Do rows go in and come out near what is physically possible, and how far from what one would write instead?"""
