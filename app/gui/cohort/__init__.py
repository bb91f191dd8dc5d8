"""The Cohort workspace: many participants in one table, their queue, their matrices."""
