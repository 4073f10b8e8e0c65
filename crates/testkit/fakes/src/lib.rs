//! Fake carriers, shipped as hikyaku sim: scripted faults, live counts, a report.
