"""Bodies in pictures: landmarks, the tracks of people, and what their joints do. All of it is pure."""
