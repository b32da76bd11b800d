"""Pages of API lists: numbered, with a size the caller may choose up to a bound."""

from rest_framework.pagination import PageNumberPagination


class PageNumberPages(PageNumberPagination):
    page_size_query_param = "page_size"
    max_page_size = 500
